"""The 8x8 digits of scikit-learn, and logits and labels of a real classifier: multinomial logistic regression on them.

    pip install -r tests/golden/requirements.txt
    python examples/data/make_digits.py

Writes scikit-learn's `digits` data set, all of it in its own order, beside itself; examples are trained on it:

    digits.npy          u8 [1797, 64]  pixels from 0 to 16
    digits_targets.npy  u8 [1797]      the digits

Fits scikit-learn's LogisticRegression on three quarters of it and writes, for the remaining quarter:

    digits_logits.npy   f32 [n, 10]   decision_function
    digits_labels.npy   i64 [n]       the true digits
    eights_logits.npy   f32 [n]       of a model that tells eights by the upper half of the picture
    eights_labels.npy   bool [n]      whether it is an eight

Split and fit are seeded, so a second run with the pinned versions writes the same files
(up to the last bits of the logits on another kind of CPU).
"""

import pathlib

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

HERE = pathlib.Path(__file__).resolve().parent
SEED = 0


def main():
    images, digits = load_digits(return_X_y=True)
    np.save(HERE / "digits.npy", images.astype(np.uint8))
    np.save(HERE / "digits_targets.npy", digits.astype(np.uint8))
    images = images / 16.0  # the pixels are 0..16
    train_x, test_x, train_y, test_y = train_test_split(
        images, digits, test_size=0.25, random_state=SEED, stratify=digits)
    model = LogisticRegression(max_iter=1000, random_state=SEED).fit(train_x, train_y)

    logits = np.ascontiguousarray(model.decision_function(test_x), dtype=np.float32)
    labels = np.ascontiguousarray(test_y, dtype=np.int64)
    np.save(HERE / "digits_logits.npy", logits)
    np.save(HERE / "digits_labels.npy", labels)
    upper = LogisticRegression(max_iter=1000, random_state=SEED).fit(train_x[:, :32], train_y == 8)
    np.save(HERE / "eights_logits.npy", upper.decision_function(test_x[:, :32]).astype(np.float32))
    np.save(HERE / "eights_labels.npy", test_y == 8)
    right = np.mean(logits.argmax(axis=1) == labels)
    print(f"{len(labels)} digits, accuracy {right:.4f}, logits {logits.min():.2f} to {logits.max():.2f}")


if __name__ == "__main__":
    main()
