//! What comes before the dispatches of an evaluation and after them: dispatches too, so that all of it can be recorded into a
//! compute pass, where nothing can be cleared or copied.

use super::Gpu;
use super::kernels::{Access, Kernels, Span, Step, declared, parameters};
use super::source::{HEAD, HEAD_WORDS, NUMERICS};
use super::writes::Writes;
use crate::error::Result;

/// Words that micro-batches share for each loss.
pub(super) const SHARED_HEAD: usize = 24;

/// How often micro-batches were counted and evaluated, and whether one was counted behind an evaluation.
pub(super) const TALLIES: usize = 20;
pub(super) const EVALUATIONS: usize = 21;
pub(super) const LATE: usize = 22;

/// Which words those are, beside the ones that stand where they do in the status.
fn shared_words() -> String {
    format!(
        "const BAD_ROW: u32 = 8u;\nconst PLAIN_SUM: u32 = 12u;\nconst ROWS: u32 = 16u;\nconst COUNT: u32 = 18u;\n\
         const TALLIES: u32 = {TALLIES}u;\nconst EVALUATIONS: u32 = {EVALUATIONS}u;\nconst LATE: u32 = {LATE}u;\n"
    )
}

/// Which kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Edge {
    /// Forgets the last evaluation, and takes over what lies elsewhere: the upstream gradient, and what micro-batches share. Where they
    /// do, what was counted stays: it was before, and is not again.
    Open { upstream: bool, shared: bool },
    /// Adds to what micro-batches share: what one loss has counted, or what an evaluation has found.
    Share,
    /// Writes the loss to where it is wanted.
    Close,
}

parameters! {
    /// The parameters of all of them.
    EdgeParams, EDGE_PARAMS {
        /// Losses of the plan; 0 where one of them is tallied.
        heads: u32,
        /// First number of each view, counted from where the binding begins; and which word the loss is.
        off_upstream: u32,
        off_loss: u32,
        word: u32,
        /// The loss that is tallied; where its divisor comes from; whether its valid rows are counted.
        head: u32,
        counted: u32,
        judged: u32,
        rows: u32,
        /// Else how many are valid, and what the divisor is: 64 bits.
        valid: u32,
        valid_high: u32,
        divisor: u32,
        divisor_high: u32,
    }
}

impl Edge {
    /// All of them.
    #[cfg(test)]
    pub(super) fn all() -> Vec<Edge> {
        let both = [false, true];
        let open = |upstream| both.map(|shared| Edge::Open { upstream, shared });
        let mut all = both.map(open).concat();
        all.extend([Edge::Share, Edge::Close]);
        all
    }

    fn entry_point(self) -> &'static str {
        match self {
            Edge::Open { .. } => "open",
            Edge::Share => "share",
            Edge::Close => "close",
        }
    }

    /// The buffers behind the parameters: name, access.
    fn buffers(self) -> Vec<(&'static str, Access)> {
        let (read, write) = (Access::Read, Access::Write);
        match self {
            Edge::Open { upstream, shared } => {
                let mut all = vec![("work", write)];
                all.extend(upstream.then_some(("b_upstream", read)));
                all.extend(shared.then_some(("totals", read)));
                all
            }
            Edge::Share => vec![("work", read), ("totals", write)],
            Edge::Close => vec![("work", read), ("loss", write)],
        }
    }

    pub(super) fn text(self) -> String {
        let mut text = declared("Edge", EDGE_PARAMS);
        text.push_str(NUMERICS);
        text.push_str(HEAD_WORDS);
        text.push_str(&format!(
            "const HEAD: u32 = {HEAD}u;\nconst SHARED_HEAD: u32 = {SHARED_HEAD}u;\n"
        ));
        text.push_str(&shared_words());
        for (i, (name, access)) in self.buffers().into_iter().enumerate() {
            let access = match access {
                Access::Read => "read",
                Access::Write => "read_write",
            };
            text.push_str(&format!(
                "@group(0) @binding({}) var<storage, {access}> {name}: array<u32>;\n",
                i + 1
            ));
        }
        match self {
            Edge::Open { upstream, shared } => {
                text.push_str(include_str!("../../shaders/skeleton/open.wgsl"));
                text.push_str(match upstream {
                    true => "fn upstream() -> u32 { return b_upstream[params.off_upstream]; }\n",
                    false => "fn upstream() -> u32 { return 0u; }\n",
                });
                text.push_str(match shared {
                    true => "const SHARED: bool = true;\nfn shared_word(at: u32) -> u32 { return totals[at]; }\n",
                    false => "const SHARED: bool = false;\nfn shared_word(at: u32) -> u32 { return 0u; }\n",
                });
            }
            Edge::Share => text.push_str(include_str!("../../shaders/skeleton/share.wgsl")),
            Edge::Close => text.push_str(include_str!("../../shaders/skeleton/close.wgsl")),
        }
        text
    }
}

impl Gpu {
    /// The kernel of an edge, compiled on first use.
    pub(super) async fn edge(&self, edge: Edge) -> Result<Kernels<1>> {
        let compile = || {
            let access: Vec<_> = edge.buffers().into_iter().map(|b| b.1).collect();
            let label = format!("wgloss {}", edge.entry_point());
            Kernels::new(self, &label, edge.text(), &access, [edge.entry_point()])
        };
        self.compiled.edges.get(self, &edge, compile).await
    }

    /// A dispatch of an edge. To be called inside [`Gpu::written`].
    pub(super) fn edge_step(
        &self,
        writes: &mut Writes<'_>,
        kernel: &Kernels<1>,
        params: &EdgeParams,
        buffers: &[Span<'_>],
    ) -> Step {
        let params = writes.parameters(self, bytemuck::bytes_of(params));
        let [pipeline] = &kernel.pipelines;
        Step {
            pipeline: pipeline.clone(),
            group: kernel.bind(self, Span::whole(&params), buffers),
            grid: [1, 1],
        }
    }
}
