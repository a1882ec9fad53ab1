//! The losses that burn and wgloss both have, with numbers to compare them on.

use burn::nn::loss::{
    BinaryCrossEntropyLossConfig, CosineEmbeddingLossConfig, CrossEntropyLossConfig,
    GaussianNLLLossConfig, HingeEmbeddingLossConfig, HuberLossConfig, KLDivLossConfig,
    LpLossConfig, MarginRankingLossConfig, MseLoss, MultiMarginLossConfig, PoissonNllLossConfig,
    Reduction, SmoothL1LossConfig, SoftMarginLoss, TripletMarginLossConfig,
};
use burn::tensor::{Int, Tensor};
use wgloss::{
    Bce, BceWithLogits, CosineEmbedding, CrossEntropy, GaussianNll, HingeEmbedding, Huber, KlDiv,
    Loss, Mae, MarginRanking, Mse, MultiMargin, PoissonNll, Reduction as Reduce, SmoothL1,
    SoftMargin, Triplet,
};

/// One loss on one shape.
pub struct Case {
    /// The name in wgloss, with the options that are not its defaults.
    pub name: &'static str,
    /// Rows and columns.
    pub shape: [usize; 2],
    /// The loss in wgloss.
    pub loss: Box<dyn Loss>,
    /// How it is reduced.
    pub reduction: Reduce,
    /// What each input is drawn from.
    pub inputs: &'static [Draw],
    /// The target.
    pub target: Target,
    /// The same loss in burn.
    pub burn: fn(&Tensors) -> Tensor<1>,
}

/// Where numbers come from.
#[derive(Clone, Copy)]
pub enum Draw {
    /// Uniform in a range.
    Range(f32, f32),
    /// −1 or 1.
    Sign,
    /// 0 or 1.
    Bit,
}

/// What a case is compared with.
#[derive(Clone, Copy)]
pub enum Target {
    /// Nothing.
    None,
    /// Floats in the input's shape.
    Values(Draw),
    /// Whole numbers in the input's shape: integers for burn, floats for wgloss, as each takes them.
    Integers(Draw),
    /// One class index for each row.
    Labels,
    /// One whole number for each row: an integer for burn, a float for wgloss.
    PerRow(Draw),
}

/// The tensors of a case in burn.
pub struct Tensors {
    /// The inputs; each is a leaf whose gradient is wanted.
    pub inputs: Vec<Tensor<2>>,
    /// A target of floats.
    pub values: Option<Tensor<2>>,
    /// A target of integers in the input's shape.
    pub integers: Option<Tensor<2, Int>>,
    /// A target of one integer for each row.
    pub rows: Option<Tensor<1, Int>>,
}

impl Tensors {
    fn input(&self, k: usize) -> Tensor<2> {
        self.inputs[k].clone()
    }

    fn values(&self) -> Tensor<2> {
        self.values.clone().expect("a target of floats")
    }

    fn integers(&self) -> Tensor<2, Int> {
        self.integers.clone().expect("a target of integers")
    }

    fn rows(&self) -> Tensor<1, Int> {
        self.rows.clone().expect("a target for each row")
    }
}

const LOGITS: &[Draw] = &[Draw::Range(-4.0, 4.0)];
const REAL: Target = Target::Values(Draw::Range(-4.0, 4.0));
const PAIR: &[Draw] = &[Draw::Range(-1.0, 1.0); 2];

/// Every case, elementwise losses at 2²⁰, 2²² and 2²⁴ elements.
pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for shape in [[4096, 4096], [512, 32_768], [32, 131_072], [65_536, 10]] {
        cases.push(row(
            "cross_entropy",
            shape,
            CrossEntropy::default(),
            LOGITS,
            Target::Labels,
            |t| {
                let loss = CrossEntropyLossConfig::new().init(&t.inputs[0].device());
                loss.forward(t.input(0), t.rows())
            },
        ));
    }
    cases.push(row(
        "cross_entropy label_smoothing=0.1",
        [4096, 4096],
        CrossEntropy {
            label_smoothing: 0.1,
            ..Default::default()
        },
        LOGITS,
        Target::Labels,
        |t| {
            let config = CrossEntropyLossConfig::new().with_smoothing(Some(0.1));
            let loss = config.init(&t.inputs[0].device());
            loss.forward(t.input(0), t.rows())
        },
    ));
    cases.push(row(
        "multi_margin",
        [4096, 4096],
        MultiMargin::default(),
        LOGITS,
        Target::Labels,
        |t| {
            let loss = MultiMarginLossConfig::new().init();
            loss.forward(t.input(0), t.rows(), Reduction::Mean)
        },
    ));
    cases.push(row(
        "cosine_embedding",
        [131_072, 128],
        CosineEmbedding::default(),
        PAIR,
        Target::PerRow(Draw::Sign),
        |t| {
            let loss = CosineEmbeddingLossConfig::new().init();
            loss.forward(t.input(0), t.input(1), t.rows())
        },
    ));
    // burn adds no eps to the differences.
    cases.push(row(
        "triplet eps=0",
        [131_072, 128],
        Triplet {
            eps: 0.0,
            ..Default::default()
        },
        &[Draw::Range(-1.0, 1.0); 3],
        Target::None,
        |t| {
            let loss = TripletMarginLossConfig::new().init();
            loss.forward(t.input(0), t.input(1), t.input(2), Reduction::Mean)
        },
    ));
    for rows in [256, 1024, 4096] {
        elementwise([rows, 4096], &mut cases);
    }
    cases
}

fn elementwise(shape: [usize; 2], cases: &mut Vec<Case>) {
    let sign = Target::Values(Draw::Sign);
    cases.push(row("mse", shape, Mse::default(), LOGITS, REAL, |t| {
        MseLoss::new().forward(t.input(0), t.values(), Reduction::Mean)
    }));
    cases.push(row("mae", shape, Mae::default(), LOGITS, REAL, |t| {
        LpLossConfig::l1().forward(t.input(0), t.values(), Reduction::Mean)
    }));
    cases.push(row("huber", shape, Huber::default(), LOGITS, REAL, |t| {
        let loss = HuberLossConfig::new(1.0).init();
        loss.forward(t.input(0), t.values(), Reduction::Mean)
    }));
    cases.push(row(
        "smooth_l1",
        shape,
        SmoothL1::default(),
        LOGITS,
        REAL,
        |t| {
            let loss = SmoothL1LossConfig::new().init();
            loss.forward_with_reduction(t.input(0), t.values(), Reduction::Mean)
        },
    ));
    cases.push(row(
        "bce_with_logits",
        shape,
        BceWithLogits::default(),
        LOGITS,
        Target::Integers(Draw::Bit),
        |t| {
            let config = BinaryCrossEntropyLossConfig::new().with_logits(true);
            let loss = config.init(&t.inputs[0].device());
            loss.forward(t.input(0), t.integers())
        },
    ));
    cases.push(row(
        "bce",
        shape,
        Bce::default(),
        &[Draw::Range(0.01, 0.99)],
        Target::Integers(Draw::Bit),
        |t| {
            let loss = BinaryCrossEntropyLossConfig::new().init(&t.inputs[0].device());
            loss.forward(t.input(0), t.integers())
        },
    ));
    cases.push(Case {
        reduction: Reduce::BatchMean,
        ..row(
            "kl_div batch_mean",
            shape,
            KlDiv::default(),
            &[Draw::Range(-9.0, -0.1)],
            Target::Values(Draw::Range(0.01, 1.0)),
            |t| {
                let loss = KLDivLossConfig::new().init();
                loss.forward(t.input(0), t.values(), Reduction::BatchMean)
            },
        )
    });
    cases.push(row(
        "poisson_nll",
        shape,
        PoissonNll::default(),
        LOGITS,
        Target::Values(Draw::Range(0.0, 9.0)),
        |t| {
            let loss = PoissonNllLossConfig::new().init();
            loss.forward(t.input(0), t.values(), Reduction::Mean)
        },
    ));
    cases.push(row(
        "gaussian_nll",
        shape,
        GaussianNll::default(),
        &[Draw::Range(-4.0, 4.0), Draw::Range(0.5, 4.0)],
        REAL,
        |t| {
            let loss = GaussianNLLLossConfig::new().init();
            loss.forward(t.input(0), t.values(), t.input(1), Reduction::Mean)
        },
    ));
    cases.push(row(
        "hinge_embedding",
        shape,
        HingeEmbedding::default(),
        &[Draw::Range(0.0, 4.0)],
        sign,
        |t| {
            let loss = HingeEmbeddingLossConfig::new().init();
            loss.forward(t.input(0), t.values(), Reduction::Mean)
        },
    ));
    cases.push(row(
        "soft_margin",
        shape,
        SoftMargin::default(),
        LOGITS,
        sign,
        |t| SoftMarginLoss::new().forward(t.input(0), t.values(), Reduction::Mean),
    ));
    cases.push(row(
        "margin_ranking",
        shape,
        MarginRanking::default(),
        PAIR,
        sign,
        |t| {
            let loss = MarginRankingLossConfig::new().init();
            loss.forward(t.input(0), t.input(1), t.values(), Reduction::Mean)
        },
    ));
}

fn row(
    name: &'static str,
    shape: [usize; 2],
    loss: impl Loss + 'static,
    inputs: &'static [Draw],
    target: Target,
    burn: fn(&Tensors) -> Tensor<1>,
) -> Case {
    Case {
        name,
        shape,
        loss: Box::new(loss),
        reduction: Reduce::Mean,
        inputs,
        target,
        burn,
    }
}
