//! The losses that burn and wgloss both have, with numbers to compare them on.

use burn::nn::loss::{
    BinaryCrossEntropyLossConfig, CosineEmbeddingLossConfig, CrossEntropyLossConfig,
    GaussianNLLLossConfig, HingeEmbeddingLossConfig, HuberLossConfig, KLDivLossConfig,
    LpLossConfig, MarginRankingLossConfig, MseLoss, MultiMarginLossConfig, PoissonNllLossConfig,
    Reduction, SmoothL1LossConfig, SoftMarginLoss, TripletMarginLossConfig,
};
use burn::tensor::{Device, Int, Tensor, TensorData};
use wgloss::{
    Batch, Bce, BceWithLogits, CosineEmbedding, CrossEntropy, GaussianNll, HingeEmbedding, Huber,
    KlDiv, Loss, Mae, MarginRanking, Mse, MultiMargin, PoissonNll, Reduction as Reduce, SmoothL1,
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
    /// The class weights.
    pub class_weight: Option<&'static [f32]>,
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

impl Case {
    /// As a module takes the tensors.
    pub fn module_batch(&self, tensors: &Tensors) -> wgloss_burn::Batch<2> {
        let mut batch = wgloss_burn::Batch::new(tensors.input(0));
        for input in &tensors.inputs[1..] {
            batch = batch.input(input.clone());
        }
        let integers = tensors.integers.clone().map(wgloss_burn::Target::from);
        let rows = tensors.rows.clone().map(wgloss_burn::Target::from);
        let target = tensors.values.clone().map(wgloss_burn::Target::from);
        if let Some(target) = target.or(integers).or(rows) {
            batch = batch.target(target);
        }
        if let Some(weights) = self.class_weight {
            let data = TensorData::new(weights.to_vec(), [weights.len()]);
            let device = tensors.inputs[0].device().inner();
            batch = batch.class_weight(Tensor::from_data(data, &device));
        }
        batch
    }
}

/// The same loss with the same options.
pub fn again(loss: &dyn Loss) -> Box<dyn Loss> {
    let info = loss.info();
    let mut made = info.make();
    for (option, value) in info.options.iter().zip(loss.options()) {
        made.set(option.name, value).expect("an option of its own");
    }
    made
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
        class_weight: None,
        burn,
    }
}

/// Losses with options, for columns of [`WEIGHTS`].
pub fn options() -> Vec<Case> {
    let shape = [24, WEIGHTS.len()];
    let smoothed = |label_smoothing| CrossEntropy {
        label_smoothing,
        ignore_index: 3,
        ..Default::default()
    };
    let real = |name, loss: Box<dyn Loss>, burn| Case {
        loss,
        ..row(name, shape, Mse::default(), LOGITS, REAL, burn)
    };
    vec![
        row(
            "cross_entropy ignore_index=3",
            shape,
            smoothed(0.0),
            LOGITS,
            Target::Labels,
            |t| {
                let config = CrossEntropyLossConfig::new().with_pad_tokens(Some(vec![3]));
                config
                    .init(&t.inputs[0].device())
                    .forward(t.input(0), t.rows())
            },
        ),
        row(
            "cross_entropy ignore_index=3 label_smoothing=0.1",
            shape,
            smoothed(0.1),
            LOGITS,
            Target::Labels,
            |t| {
                let config = CrossEntropyLossConfig::new().with_pad_tokens(Some(vec![3]));
                let config = config.with_smoothing(Some(0.1));
                config
                    .init(&t.inputs[0].device())
                    .forward(t.input(0), t.rows())
            },
        ),
        Case {
            class_weight: Some(WEIGHTS),
            ..row(
                "cross_entropy class weights",
                shape,
                smoothed(0.1),
                LOGITS,
                Target::Labels,
                |t| {
                    let config = CrossEntropyLossConfig::new().with_weights(Some(WEIGHTS.to_vec()));
                    let config = config
                        .with_pad_tokens(Some(vec![3]))
                        .with_smoothing(Some(0.1));
                    config
                        .init(&t.inputs[0].device())
                        .forward(t.input(0), t.rows())
                },
            )
        },
        real("huber delta=0.3", Box::new(Huber { delta: 0.3 }), |t| {
            HuberLossConfig::new(0.3)
                .init()
                .forward(t.input(0), t.values(), Reduction::Mean)
        }),
        real(
            "smooth_l1 beta=0.3",
            Box::new(SmoothL1 { beta: 0.3 }),
            |t| {
                let loss = SmoothL1LossConfig::new().with_beta(0.3).init();
                loss.forward_with_reduction(t.input(0), t.values(), Reduction::Mean)
            },
        ),
        real("mse", Box::<Mse>::default(), |t| {
            LpLossConfig::l2().forward(t.input(0), t.values(), Reduction::Mean)
        }),
        row(
            "kl_div log_target=true",
            shape,
            KlDiv { log_target: true },
            &[Draw::Range(-9.0, -0.1)],
            Target::Values(Draw::Range(-9.0, -0.1)),
            |t| {
                let loss = KLDivLossConfig::new().with_log_target(true).init();
                loss.forward(t.input(0), t.values(), Reduction::Mean)
            },
        ),
        row(
            "poisson_nll log_input=false full=true",
            shape,
            PoissonNll {
                log_input: false,
                full: true,
                ..Default::default()
            },
            &[Draw::Range(0.1, 4.0)],
            Target::Values(Draw::Range(0.0, 9.0)),
            |t| {
                let loss = PoissonNllLossConfig::new()
                    .with_log_input(false)
                    .with_full(true)
                    .init();
                loss.forward(t.input(0), t.values(), Reduction::Mean)
            },
        ),
        row(
            "gaussian_nll full=true",
            shape,
            GaussianNll {
                full: true,
                ..Default::default()
            },
            &[Draw::Range(-4.0, 4.0), Draw::Range(0.5, 4.0)],
            REAL,
            |t| {
                let loss = GaussianNLLLossConfig::new().with_full(true).init();
                loss.forward(t.input(0), t.values(), t.input(1), Reduction::Mean)
            },
        ),
        row(
            "hinge_embedding margin=2",
            shape,
            HingeEmbedding { margin: 2.0 },
            &[Draw::Range(0.0, 4.0)],
            Target::Values(Draw::Sign),
            |t| {
                let loss = HingeEmbeddingLossConfig::new().with_margin(2.0).init();
                loss.forward(t.input(0), t.values(), Reduction::Mean)
            },
        ),
        row(
            "margin_ranking margin=0.5",
            shape,
            MarginRanking { margin: 0.5 },
            PAIR,
            Target::Values(Draw::Sign),
            |t| {
                let loss = MarginRankingLossConfig::new().with_margin(0.5).init();
                loss.forward(t.input(0), t.input(1), t.values(), Reduction::Mean)
            },
        ),
        row(
            "multi_margin p=2 margin=0.5",
            shape,
            MultiMargin {
                p: 2.0,
                margin: 0.5,
            },
            LOGITS,
            Target::Labels,
            |t| {
                let loss = MultiMarginLossConfig::new()
                    .with_p(2)
                    .with_margin(0.5)
                    .init();
                loss.forward(t.input(0), t.rows(), Reduction::Mean)
            },
        ),
        row(
            "cosine_embedding margin=0.2",
            shape,
            CosineEmbedding { margin: 0.2 },
            PAIR,
            Target::PerRow(Draw::Sign),
            |t| {
                let loss = CosineEmbeddingLossConfig::new().with_margin(0.2).init();
                loss.forward(t.input(0), t.input(1), t.rows())
            },
        ),
        row(
            "triplet eps=0 margin=0.5 p=1",
            shape,
            Triplet {
                eps: 0.0,
                margin: 0.5,
                p: 1.0,
                ..Default::default()
            },
            &[Draw::Range(-1.0, 1.0); 3],
            Target::None,
            |t| {
                let loss = TripletMarginLossConfig::new()
                    .with_margin(0.5)
                    .with_p(1.0)
                    .init();
                loss.forward(t.input(0), t.input(1), t.input(2), Reduction::Mean)
            },
        ),
    ]
}

/// Class weights.
pub const WEIGHTS: &[f32] = &[1.0, 0.5, 2.0, 1.0, 3.0, 0.25, 1.0, 1.5, 0.75, 1.0];

/// The numbers of a case, seeded, in host memory.
pub struct Host {
    shape: [usize; 2],
    /// The inputs.
    pub inputs: Vec<Vec<f32>>,
    /// The target.
    pub target: HostTarget,
    kind: Target,
}

/// A target in host memory.
pub enum HostTarget {
    /// Nothing.
    None,
    /// Floats.
    Floats(Vec<f32>),
    /// Class indices.
    Labels(Vec<i32>),
}

impl Host {
    /// Draws them.
    pub fn new(case: &Case) -> Host {
        let [rows, cols] = case.shape;
        let mut rng = Rng(1);
        let inputs = case.inputs.iter().map(|d| rng.draw(*d, rows * cols));
        let inputs = inputs.collect();
        Host {
            shape: case.shape,
            inputs,
            target: match case.target {
                Target::None => HostTarget::None,
                Target::Values(draw) | Target::Integers(draw) => {
                    HostTarget::Floats(rng.draw(draw, rows * cols))
                }
                Target::PerRow(draw) => HostTarget::Floats(rng.draw(draw, rows)),
                Target::Labels => {
                    let label = |_| (rng.bits() % cols as u64) as i32;
                    HostTarget::Labels((0..rows).map(label).collect())
                }
            },
            kind: case.target,
        }
    }

    /// As burn's tensors on `device`.
    pub fn tensors(&self, device: &Device) -> Tensors {
        let matrix =
            |v: &Vec<f32>| Tensor::<2>::from_data(TensorData::new(v.clone(), self.shape), device);
        let leaf = |v| matrix(v).require_grad();
        let whole = |v: &Vec<f32>| v.iter().map(|x| *x as i32).collect::<Vec<_>>();
        let mut tensors = Tensors {
            inputs: self.inputs.iter().map(leaf).collect(),
            values: None,
            integers: None,
            rows: None,
        };
        let row = |v: Vec<i32>| {
            let rows = [v.len()];
            Tensor::<1, Int>::from_data(TensorData::new(v, rows), device)
        };
        match (&self.target, self.kind) {
            (HostTarget::None, _) => {}
            (HostTarget::Labels(v), _) => tensors.rows = Some(row(v.clone())),
            (HostTarget::Floats(v), Target::PerRow(_)) => tensors.rows = Some(row(whole(v))),
            (HostTarget::Floats(v), Target::Integers(_)) => {
                let data = TensorData::new(whole(v), self.shape);
                tensors.integers = Some(Tensor::from_data(data, device));
            }
            (HostTarget::Floats(v), _) => tensors.values = Some(matrix(v)),
        }
        tensors
    }

    /// As wgloss takes them.
    pub fn batch<'a>(&'a self, case: &Case) -> Batch<'a> {
        let mut batch = Batch::new(case.shape, &self.inputs[0]).reduction(case.reduction);
        for input in &self.inputs[1..] {
            batch = batch.input(input);
        }
        if let Some(weights) = case.class_weight {
            batch = batch.class_weight(weights);
        }
        match &self.target {
            HostTarget::None => batch,
            HostTarget::Floats(v) => batch.target(v),
            HostTarget::Labels(v) => batch.labels(v),
        }
    }
}

/// SplitMix64.
struct Rng(u64);

impl Rng {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn draw(&mut self, draw: Draw, n: usize) -> Vec<f32> {
        let number = |_| {
            let unit = (self.bits() >> 40) as f32 / (1u64 << 24) as f32;
            match draw {
                Draw::Range(low, high) => low + (high - low) * unit,
                Draw::Sign => [-1.0, 1.0][usize::from(unit < 0.5)],
                Draw::Bit => f32::from(u8::from(unit < 0.5)),
            }
        };
        (0..n).map(number).collect()
    }
}
