use wgloss::*;
#[test]
fn smoke() {
    let gpu = Gpu::new().unwrap();
    let n = 10000;
    let x: Vec<f32> = (0..n)
        .map(|i| ((i * 37) % 101) as f32 / 17.0 - 3.0)
        .collect();
    let t: Vec<f32> = (0..n)
        .map(|i| ((i * 53) % 103) as f32 / 19.0 - 3.0)
        .collect();
    for dtype in DType::ALL {
        let b = Batch::new([n / 10, 10], &x).target(&t).dtype(dtype);
        let a = gpu.loss(&Mse::default(), &b).unwrap();
        let (r, e) = reference::evaluate_with_bounds(&Mse::default(), &b.rounded()).unwrap();
        println!("{:?} {:?} {:?}", a.loss, r.loss, e.loss);
        for i in 0..n {
            assert!(
                (a.grads[0][i] as f64 - r.grads[0][i]).abs() <= e.grads[0][i],
                "{i}"
            );
        }
        let l: Vec<i64> = (0..n as i64 / 10).map(|i| i % 10).collect();
        for axis in [ClassAxis::Last, ClassAxis::One] {
            for cols in [10usize, 5, 1000] {
                let shape = if axis == ClassAxis::Last {
                    vec![n / cols, cols]
                } else {
                    vec![2, cols, n / cols / 2]
                };
                let l: Vec<i64> = (0..(n / cols) as i64)
                    .map(|i| (i * 7) % cols as i64)
                    .collect();
                let b = Batch::new(shape, &x)
                    .labels(&l)
                    .dtype(dtype)
                    .class_axis(axis);
                let ce = CrossEntropy {
                    label_smoothing: 0.1,
                    softcap: 2.0,
                    z_loss: 0.01,
                    ..Default::default()
                };
                let a = gpu.loss(&ce, &b).unwrap();
                let (r, e) = reference::evaluate_with_bounds(&ce, &b.rounded()).unwrap();
                println!(
                    "{cols} {:?} {:?} {:?} {:?}",
                    a.loss, r.loss, e.loss, a.status
                );
                let mut worst = (0.0, 0);
                for i in 0..n {
                    let d = (a.grads[0][i] as f64 - r.grads[0][i]).abs() / e.grads[0][i];
                    if d > worst.0 {
                        worst = (d, i)
                    }
                }
                println!("{worst:?}");
                assert!(worst.0 <= 1.0);
            }
        }
    }
}
