//! Random functions as trees, and how they get smaller.

use super::grammar::{Kind, LOCALS, Part, Rule, Scope, rules};
use proptest::prelude::*;
use proptest::strategy::{NewTree, ValueTree};
use proptest::test_runner::TestRunner;
use std::collections::HashSet;
use std::fmt;

/// Numbers that decide what a tree becomes: which of the rules of the kind that its place asks for, and what is in its slots.
#[derive(Debug, Clone)]
struct Raw {
    choice: u32,
    kids: Vec<Raw>,
}

fn raw(depth: u32, size: u32) -> impl Strategy<Value = Raw> {
    let leaf = any::<u32>().prop_map(|choice| Raw {
        choice,
        kids: Vec::new(),
    });
    leaf.prop_recursive(depth, size, 2, |inner| {
        let kids = prop::collection::vec(inner, 1..=3);
        (any::<u32>(), kids).prop_map(|(choice, kids)| Raw { choice, kids })
    })
}

/// A text of a kind.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    kind: Kind,
    rule: usize,
    /// Which number it is, of a kind without rules.
    number: u32,
    /// What is in the slots of the rule.
    kids: Vec<Node>,
}

impl Node {
    fn new(raw: &Raw, kind: Kind, scope: Scope) -> Node {
        let leaf = raw.kids.is_empty();
        let fits = |rule: &&(usize, &Rule)| rule.1.is_leaf() == leaf && scope.has(rule.1.needs);
        let all = || rules(kind).iter().enumerate();
        let total: u32 = all().filter(|r| fits(&r)).map(|r| r.1.weight).sum();
        let mut left = raw.choice.checked_rem(total).unwrap_or(0);
        let mut chosen = all().filter(|r| fits(&r)).find(|r| {
            let here = left < r.1.weight;
            left = left.saturating_sub(r.1.weight);
            here
        });
        let (place, rule) = match chosen.take() {
            Some((place, rule)) => (place, Some(rule)),
            None => (0, None),
        };
        Node {
            rule: place,
            number: raw.choice,
            ..Node::by(raw, kind, scope, rule)
        }
    }

    fn by(raw: &Raw, kind: Kind, scope: Scope, rule: Option<&Rule>) -> Node {
        let slots = rule.into_iter().flat_map(Rule::slots).enumerate();
        let kid = |(i, (kind, more)): (usize, (Kind, Scope))| {
            let scope = scope.with(more);
            match raw.kids.get(i) {
                Some(raw) => Node::new(raw, kind, scope),
                None => {
                    // More slots than the tree has branches.
                    let choice = raw.choice.rotate_left(7 * i as u32 + 3);
                    let kids = Vec::new();
                    Node::new(&Raw { choice, kids }, kind, scope)
                }
            }
        };
        Node {
            kind,
            rule: 0,
            number: raw.choice,
            kids: slots.map(kid).collect(),
        }
    }

    /// The least of a kind.
    fn least(kind: Kind) -> Node {
        Node {
            kind,
            rule: 0,
            number: 0,
            kids: Vec::new(),
        }
    }

    fn write(&self, scope: Scope, out: &mut String) {
        match self.kind {
            // Not of even steps, so that few numbers meet by accident; 1 is the least.
            Kind::C => *out += &format!("{:?}", f64::from((self.number + 64) % 97) / 16.0 - 3.0),
            Kind::P => *out += &format!("{:?}", f64::from((self.number + 15) % 48 + 1) / 16.0),
            Kind::K => *out += &format!("{}", self.number % 3 + 1),
            _ => {
                let Some(mut rule) = rules(self.kind).get(self.rule) else {
                    return;
                };
                let mut kids = self.kids.as_slice();
                // What a place lacks where it was moved to is another leaf.
                if !scope.has(rule.needs) {
                    (rule, kids) = (&rules(self.kind)[0], &[]);
                }
                let mut slots = rule.slots().zip(kids);
                for part in &rule.parts {
                    match part {
                        Part::Text(text) => *out += text,
                        Part::Number(n) => *out += scope.numbers()[*n],
                        Part::Slot(..) => {
                            if let Some(((_, more), kid)) = slots.next() {
                                kid.write(scope.with(more), out);
                            }
                        }
                        Part::Again(i) => {
                            if let Some(((_, more), kid)) = rule.slots().zip(kids).nth(*i) {
                                kid.write(scope.with(more), out);
                            }
                        }
                    }
                }
            }
        }
    }

    /// The rules that are written.
    fn rules(&self, scope: Scope, seen: &mut HashSet<(Kind, usize)>) {
        let Some(rule) = rules(self.kind).get(self.rule) else {
            return;
        };
        if !scope.has(rule.needs) {
            return;
        }
        seen.insert((self.kind, self.rule));
        for ((_, more), kid) in rule.slots().zip(&self.kids) {
            kid.rules(scope.with(more), seen);
        }
    }

    fn each<'a>(&'a self, found: &mut Vec<&'a Node>) {
        found.push(self);
        for kid in &self.kids {
            kid.each(found);
        }
    }

    fn size(&self) -> usize {
        1 + self.kids.iter().map(Node::size).sum::<usize>()
    }

    /// The node at a place in the order of [`each`](Self::each).
    fn at(&mut self, place: &mut usize) -> Option<&mut Node> {
        if *place == 0 {
            return Some(self);
        }
        *place -= 1;
        self.kids.iter_mut().find_map(|kid| kid.at(place))
    }

    /// Smaller ones: with a part in the place of what it is in, or the least in the place of a part. The largest steps come first.
    fn smaller(&self) -> Vec<Node> {
        let mut out = Vec::new();
        let mut all = Vec::new();
        self.each(&mut all);
        for (place, node) in all.iter().enumerate() {
            let with = |new: Node| {
                let mut whole = self.clone();
                if let Some(old) = whole.at(&mut place.clone()) {
                    *old = new;
                }
                whole
            };
            let least = Node::least(node.kind);
            let numbers = node.number != 0 && rules(node.kind).is_empty();
            // A declaration stays one.
            if node.kids.is_empty() && node.rule == 0 && !numbers || node.kind == Kind::D {
                continue;
            }
            out.push(with(least));
            let mut inner = Vec::new();
            node.each(&mut inner);
            let mut inner: Vec<_> = inner[1..]
                .iter()
                .filter(|n| n.kind == node.kind && !n.kids.is_empty())
                .collect();
            inner.sort_by_key(|n| n.size());
            out.extend(inner.into_iter().map(|n| with((*n).clone())));
        }
        out
    }
}

/// Which function of a file.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Which {
    Loss,
    Number,
    Vector,
    Pointer,
}

impl Which {
    fn name(self) -> &'static str {
        match self {
            Which::Loss => "loss",
            Which::Number => "h0",
            Which::Vector => "h1",
            Which::Pointer => "h2",
        }
    }
}

/// A function: statements, a result, and variables that are declared where they are used.
#[derive(Debug, Clone)]
struct Body {
    which: Which,
    scope: Scope,
    statements: Node,
    result: Node,
    locals: Vec<Node>,
}

impl Body {
    fn new(which: Which, letters: &str, [statements, result]: [&Raw; 2]) -> Body {
        let scope = Scope::of(letters);
        let kind = match which {
            Which::Vector => Kind::V3,
            _ => Kind::F,
        };
        let outside = Scope::of(&letters.replace('s', ""));
        let mut body = Body {
            which,
            scope,
            result: Node::new(result, kind, scope),
            locals: Vec::new(),
            statements: match scope.has(Scope::of("s")) {
                true => Node::new(statements, Kind::S, scope),
                false => Node::least(Kind::S),
            },
        };
        let mut text = String::new();
        body.statements.write(scope, &mut text);
        text.push(' ');
        body.result.write(scope, &mut text);
        let used = names(&text);
        let locals = LOCALS.iter().enumerate().map(|(i, (name, _))| {
            let rule = rules(Kind::D).get(i).filter(|_| used.contains(name));
            Node {
                rule: i,
                ..Node::by(statements, Kind::D, outside, rule)
            }
        });
        body.locals = locals.collect();
        body
    }

    /// One whose statements are the first part of a tree, and its result the last.
    fn helper(which: Which, letters: &str, raw: &Raw) -> Body {
        let [first, last] = [raw.kids.first(), raw.kids.last()].map(|kid| kid.unwrap_or(raw));
        Body::new(which, letters, [first, last])
    }

    fn write(&self, head: &str, out: &mut String) {
        let mut body = String::new();
        self.statements.write(self.scope, &mut body);
        *out += head;
        let mut result = String::new();
        self.result.write(self.scope, &mut result);
        let all = match self.which {
            Which::Pointer => format!("{body} *d = {result}; }}\n"),
            _ => format!("{body} return {result}; }}\n"),
        };
        let used = names(&all);
        for ((name, _), local) in LOCALS.iter().zip(&self.locals) {
            if used.contains(name) {
                out.push(' ');
                local.write(self.outside(), out);
            }
        }
        out.push(' ');
        *out += all.trim_start();
    }

    /// Where its variables are declared: without variables.
    fn outside(&self) -> Scope {
        match self.which {
            Which::Loss => Scope::of("x"),
            Which::Number => Scope::of("u"),
            Which::Vector => Scope::of("c"),
            Which::Pointer => Scope::of("d"),
        }
    }

    fn parts(&mut self) -> impl Iterator<Item = &mut Node> {
        [&mut self.statements, &mut self.result]
            .into_iter()
            .chain(&mut self.locals)
    }
}

/// The names in a text, apart from those of members.
fn names(text: &str) -> HashSet<&str> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut out = HashSet::new();
    let mut before = ' ';
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| !word(c)).unwrap_or(rest.len()).max(1);
        if before != '.' && word(first) {
            out.insert(&rest[..end]);
        }
        before = rest[..end].chars().next_back().unwrap_or(' ');
        rest = &rest[end..];
    }
    out
}

/// A random file with points to look at.
#[derive(Clone)]
pub(super) struct Case {
    bodies: Vec<Body>,
    pub parameters: &'static [&'static str],
    /// Which of them derivatives are taken by.
    pub inputs: Vec<bool>,
    /// Numbers of f32, one for each parameter, the last for none where there are two.
    pub points: Vec<[f64; 3]>,
}

/// Of an option in all files that have it.
const OPTION: f32 = 1.5;

impl Case {
    pub fn text(&self) -> String {
        let of = |which: Which, head: &str| {
            let body = self.bodies.iter().find(|b| b.which == which);
            let mut out = String::new();
            if let Some(body) = body {
                body.write(head, &mut out);
            }
            out
        };
        let all: Vec<String> = self
            .parameters
            .iter()
            .map(|p| format!("{p}: f32"))
            .collect();
        let head = format!("fn loss({}) -> f32 {{", all.join(", "));
        let loss = of(Which::Loss, &head);
        let number = of(Which::Number, "fn h0(u: f32, w: f32) -> f32 {");
        let vector = of(Which::Vector, "fn h1(c: vec3<f32>) -> vec3<f32> {");
        let pointer = of(Which::Pointer, "fn h2(d: ptr<function, f32>, w: f32) {");
        let mut text = loss;
        for (which, more) in [
            (Which::Number, number),
            (Which::Vector, vector),
            (Which::Pointer, pointer),
        ] {
            if names(&text).contains(which.name()) {
                text = more + &text;
            }
        }
        let used = names(&text);
        let mut before = String::new();
        if used.contains("k") {
            before += &format!("override k: f32 = {OPTION:?};\n");
        }
        if used.contains("p") {
            before += "struct P { a: f32, v: vec2<f32>, n: i32 }\n";
        }
        before + &text
    }

    /// Whether `loss` is more than one expression.
    pub fn has_statements(&self) -> bool {
        let mut text = String::new();
        self.bodies[0]
            .statements
            .write(self.bodies[0].scope, &mut text);
        !text.trim().is_empty()
    }

    /// The rules that its text is made of.
    pub fn rules(&self) -> HashSet<(Kind, usize)> {
        let text = self.text();
        let names = names(&text);
        let mut seen = HashSet::new();
        for body in &self.bodies {
            if names.contains(body.which.name()) {
                body.statements.rules(body.scope, &mut seen);
                body.result.rules(body.scope, &mut seen);
            }
        }
        seen
    }

    /// How many parts of trees it is made of, and numbers that are not 0.
    fn smaller(&self) -> Vec<Case> {
        let mut out = Vec::new();
        for point in self.points.iter().filter(|_| self.points.len() > 1) {
            let mut one = self.clone();
            one.points = vec![*point];
            out.push(one);
        }
        for (k, body) in self.bodies.iter().enumerate() {
            let parts = body.clone().parts().count();
            for i in 0..parts {
                let mut copy = self.clone();
                let Some(part) = copy.bodies[k].parts().nth(i).cloned() else {
                    continue;
                };
                for less in part.smaller() {
                    let mut one = self.clone();
                    if let Some(place) = one.bodies[k].parts().nth(i) {
                        *place = less;
                    }
                    out.push(one);
                }
            }
        }
        // What is not written counts for nothing.
        let text = self.text();
        out.retain(|one| one.points.len() < self.points.len() || one.text() != text);
        out
    }
}

/// What a failing case prints.
impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}by {:?} at {:?}",
            self.text(),
            self.inputs,
            self.points
        )
    }
}

/// Random cases. Trees and points are proptest's; how a failing one gets smaller is said here, since it has to stay a WGSL text.
#[derive(Debug)]
pub(super) struct Cases(BoxedStrategy<Case>);

impl Cases {
    pub fn new() -> Cases {
        // Off even numbers, so that few points are those of kinks.
        let number = (-3000i32..3000).prop_map(|v| f64::from((v as f32 + 0.37) / 1000.0));
        let number = number.boxed();
        let points = prop::array::uniform3([number.clone(), number.clone(), number]);
        let shape = (0u32..4, any::<bool>(), 1u32..8);
        let loss = (raw(5, 60), raw(5, 100));
        let all = (shape, points, loss, [raw(4, 20), raw(4, 20), raw(4, 20)]);
        let case = all.prop_map(|((kind, third, by), points, loss, helpers)| {
            let parameters: &[&str] = match third {
                true => &["x", "y", "t"],
                false => &["x", "t"],
            };
            let mut inputs: Vec<_> = (0..parameters.len()).map(|i| by >> i & 1 == 1).collect();
            if !inputs.contains(&true) {
                inputs[0] = true;
            }
            // A quarter have statements.
            let s = if kind == 0 { "s" } else { "" };
            let y = if third { "y" } else { "" };
            let letters = format!("xkhjzr{s}{y}");
            let mut case = Case {
                bodies: vec![Body::new(Which::Loss, &letters, [&loss.0, &loss.1])],
                parameters,
                inputs,
                points: points.to_vec(),
            };
            let all = [
                (Which::Number, "ukjzrs"),
                (Which::Vector, "ckzbs"),
                (Which::Pointer, "dkes"),
            ];
            for ((which, letters), raw) in all.into_iter().zip(&helpers) {
                // Only those that are called.
                if names(&case.text()).contains(which.name()) {
                    case.bodies.push(Body::helper(which, letters, raw));
                }
            }
            case
        });
        Cases(case.boxed())
    }
}

impl Strategy for Cases {
    type Tree = Shrinking;
    type Value = Case;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        Ok(Shrinking {
            failing: self.0.new_tree(runner)?.current(),
            left: Vec::new(),
            tried: None,
        })
    }
}

/// A case, and smaller ones to be tried in its place.
#[derive(Debug)]
pub(super) struct Shrinking {
    /// The smallest that is known to fail.
    failing: Case,
    /// What is still to be tried, the next one last.
    left: Vec<Case>,
    tried: Option<Case>,
}

impl ValueTree for Shrinking {
    type Value = Case;

    fn current(&self) -> Case {
        self.tried.as_ref().unwrap_or(&self.failing).clone()
    }

    /// The current one failed.
    fn simplify(&mut self) -> bool {
        if let Some(failed) = self.tried.take() {
            self.failing = failed;
        }
        self.left = self.failing.smaller();
        self.left.reverse();
        self.tried = self.left.pop();
        self.tried.is_some()
    }

    /// The current one passed.
    fn complicate(&mut self) -> bool {
        self.tried = self.left.pop();
        self.tried.is_some()
    }
}
