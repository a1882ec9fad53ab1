//! x
use wgloss::*;
fn main() {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let gpu = Gpu::new().unwrap();
    println!("{}", gpu.adapter_info().name);
    let quick = std::env::var("QUICK").is_ok();
    for info in loss::all() {
        if !names.is_empty() && !names.iter().any(|n| n == info.name) {
            continue;
        }
        let t = std::time::Instant::now();
        let mut shown = 0;
        let mut worst: f64 = 0.0;
        let mut plan = std::collections::BTreeSet::new();
        let s = verify::run(&gpu, &[info], quick, &mut |r, _, _| {
            plan.insert(r.plan);
            worst = worst.max(r.check.worst);
            if !r.check.pass {
                shown += 1;
                if shown <= 6 {
                    println!(
                        "   {:?} {} {} {} {:?}",
                        r.shape, r.dtype, r.reduction, r.plan, r.check.complaint
                    );
                }
            }
        });
        println!(
            "{} {:?} worst {worst:.3} {:.1}s {:?}",
            info.name,
            s,
            t.elapsed().as_secs_f64(),
            plan
        );
    }
}
