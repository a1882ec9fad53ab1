//! Functions of WGSL, and what they change by.

use super::Result;
use super::body::{Body, Shape};
use naga::common::wgsl::TryToWgsl;
use naga::{BinaryOperator as Op, Expression, Handle, Literal, MathFunction as Fun, TypeInner};

/// A call of a function of WGSL.
pub(super) struct Called<'a> {
    pub(super) fun: Fun,
    /// The call in the source.
    pub(super) source: Handle<Expression>,
    /// Its arguments there, and as they are written.
    pub(super) args: &'a [Handle<Expression>],
    pub(super) values: &'a [Handle<Expression>],
    pub(super) own: Handle<Expression>,
}

impl Body<'_, '_> {
    /// What a call changes by, where its arguments change by `d`. In the derivations a, b, c are the arguments, r the result, and a
    /// dash says what a value changes by.
    pub(super) fn called(
        &mut self,
        call: &Called<'_>,
        d: &[Option<Handle<Expression>>],
    ) -> Result<Option<Handle<Expression>>> {
        let Called {
            fun,
            args,
            values,
            own: r,
            ..
        } = *call;
        let at = |i: usize| values.get(i).copied();
        let of = |i: usize| d.get(i).copied().flatten();
        let (Some(a), da) = (at(0), of(0)) else {
            return Ok(None);
        };
        let (b, c) = (at(1).unwrap_or(a), at(2).unwrap_or(a));
        let (db, dc) = (of(1), of(2));
        let shape = self.shape(args[0]);
        let this = self;
        let change = match fun {
            // sign(a)·a'
            Fun::Abs => this.by(da, |this| this.math(Fun::Sign, &[a])),
            Fun::Min => return Ok(this.picked(Op::Less, shape, [a, b], [da, db])),
            Fun::Max => return Ok(this.picked(Op::Greater, shape, [a, b], [da, db])),
            Fun::Clamp => {
                let above = this.math(Fun::Max, &[a, b]);
                let changed = this.picked(Op::Greater, shape, [a, b], [da, db]);
                return Ok(this.picked(Op::Less, shape, [above, c], [changed, dc]));
            }
            Fun::Saturate => {
                let [zero, one] = [0.0, 1.0].map(|v| this.splat(shape, v));
                let above = this.math(Fun::Max, &[a, zero]);
                let changed = this.picked(Op::Greater, shape, [a, zero], [da, None]);
                return Ok(this.picked(Op::Less, shape, [above, one], [changed, None]));
            }
            Fun::Sin => this.by(da, |this| this.math(Fun::Cos, &[a])),
            Fun::Cos => {
                let sine = this.math(Fun::Sin, &[a]);
                this.by(da, |this| this.negated(sine))
            }
            Fun::Sinh => this.by(da, |this| this.math(Fun::Cosh, &[a])),
            Fun::Cosh => this.by(da, |this| this.math(Fun::Sinh, &[a])),
            // 1 + r²
            Fun::Tan => this.by(da, |this| {
                let one = this.splat(shape, 1.0);
                let square = this.times(r, r);
                this.binary(Op::Add, one, square)
            }),
            // 1/cosh(a)², which keeps its digits where r is nearly 1.
            Fun::Tanh => {
                let cosh = this.math(Fun::Cosh, &[a]);
                let once = this.over(da, cosh);
                this.over(once, cosh)
            }
            // 1/√((1 - a)(1 + a)), and less that.
            Fun::Asin => {
                let root = this.circle(shape, a);
                this.over(da, root)
            }
            Fun::Acos => {
                let root = this.circle(shape, a);
                let down = da.map(|da| this.negated(da));
                this.over(down, root)
            }
            Fun::Atan => {
                let one = this.splat(shape, 1.0);
                let square = this.times(a, a);
                let whole = this.binary(Op::Add, one, square);
                this.over(da, whole)
            }
            // (b·a' - a·b')/(a² + b²)
            Fun::Atan2 => {
                let left = da.map(|da| this.times(b, da));
                let right = db.map(|db| this.times(a, db));
                let up = this.minus(left, right);
                let squares = [this.times(a, a), this.times(b, b)];
                let whole = this.binary(Op::Add, squares[0], squares[1]);
                this.over(up, whole)
            }
            Fun::Asinh => {
                let one = this.splat(shape, 1.0);
                let square = this.times(a, a);
                let whole = this.binary(Op::Add, square, one);
                let root = this.math(Fun::Sqrt, &[whole]);
                this.over(da, root)
            }
            Fun::Acosh => {
                let one = this.splat(shape, 1.0);
                let sides = [Op::Subtract, Op::Add].map(|op| this.binary(op, a, one));
                let product = this.times(sides[0], sides[1]);
                let root = this.math(Fun::Sqrt, &[product]);
                this.over(da, root)
            }
            Fun::Atanh => {
                let one = this.splat(shape, 1.0);
                let sides = [Op::Subtract, Op::Add].map(|op| this.binary(op, one, a));
                let product = this.times(sides[0], sides[1]);
                this.over(da, product)
            }
            Fun::Radians | Fun::Degrees | Fun::Transpose => da.map(|da| this.math(fun, &[da])),
            // Steps, which are constant where they have a derivative at all.
            Fun::Ceil | Fun::Floor | Fun::Round | Fun::Trunc | Fun::Sign | Fun::Step => None,
            Fun::Fract => da,
            // A struct of the fraction, which changes, and a whole number, which does not.
            Fun::Modf => return this.fraction(call, da, None),
            // a = f·2^e: f' = a'·2^-e.
            Fun::Frexp => return this.fraction(call, da, Some(r)),
            Fun::Ldexp => da.map(|da| this.math(Fun::Ldexp, &[da, b])),
            Fun::Exp => this.by(da, |_| r),
            Fun::Exp2 => this.by(da, |this| {
                let log = this.splat(shape, std::f32::consts::LN_2);
                this.times(r, log)
            }),
            Fun::Log if shape == Shape::Scalar => this.over_number(da, a),
            Fun::Log => this.over(da, a),
            Fun::Log2 => {
                let log = this.splat(shape, std::f32::consts::LN_2);
                let whole = this.times(a, log);
                this.over(da, whole)
            }
            Fun::Pow => return Ok(this.power(args, shape, [a, b, r], [da, db])),
            // r·r·r·a'/-2
            Fun::InverseSqrt => this.by(da, |this| {
                let half = this.splat(shape, -0.5);
                let square = this.times(r, r);
                let cube = this.times(square, r);
                this.times(half, cube)
            }),
            Fun::Sqrt => {
                let half = this.splat(shape, 0.5);
                let up = da.map(|da| this.times(half, da));
                this.over(up, r)
            }
            // Linear in each.
            Fun::Dot | Fun::Cross | Fun::Outer => {
                let left = da.map(|da| this.math(fun, &[da, b]));
                let right = db.map(|db| this.math(fun, &[a, db]));
                this.plus(left, right)
            }
            Fun::Length => this.length(shape, a, da, r),
            Fun::Distance => {
                let gap = this.binary(Op::Subtract, a, b);
                let changed = this.minus(da, db);
                this.length(shape, gap, changed, r)
            }
            // (a' - r·(r·a'))/|a|
            Fun::Normalize => {
                let Some(da) = da else { return Ok(None) };
                let along = this.math(Fun::Dot, &[r, da]);
                let part = this.times(r, along);
                let across = this.binary(Op::Subtract, da, part);
                let length = this.math(Fun::Length, &[a]);
                let Shape::Vector(size) = shape else {
                    return Ok(None);
                };
                let value = length;
                let length = this.put(Expression::Splat { size, value });
                Some(this.binary(Op::Divide, across, length))
            }
            // a or -a, as dot(c, b) < 0 says.
            Fun::FaceForward => {
                let Some(da) = da else { return Ok(None) };
                let side = this.math(Fun::Dot, &[c, b]);
                let zero = this.number(0.0);
                let front = this.binary(Op::Less, side, zero);
                let back = this.negated(da);
                Some(this.choose(front, da, back))
            }
            // a - 2·(b·a)·b
            Fun::Reflect => {
                let left = da.map(|da| this.math(Fun::Dot, &[b, da]));
                let right = db.map(|db| this.math(Fun::Dot, &[db, a]));
                let dot = this.plus(left, right);
                let one = dot.map(|dot| this.times(b, dot));
                let other = db.map(|db| {
                    let dot = this.math(Fun::Dot, &[b, a]);
                    this.times(db, dot)
                });
                let sum = this.plus(one, other);
                let two = this.number(2.0);
                let twice = sum.map(|sum| this.times(sum, two));
                this.minus(da, twice)
            }
            Fun::Refract => return Ok(this.refracted(shape, [a, b, c], [da, db, dc])),
            // a·b + c
            Fun::Fma => {
                let left = da.map(|da| this.times(da, b));
                let right = db.map(|db| this.times(a, db));
                let product = this.plus(left, right);
                this.plus(product, dc)
            }
            // a·(1 - c) + b·c, where c may be a number among vectors.
            Fun::Mix => {
                let left = da.map(|da| {
                    let one = this.number(1.0);
                    let one = match this.shape(args[2]) {
                        Shape::Scalar => one,
                        Shape::Vector(size) => this.put(Expression::Splat { size, value: one }),
                    };
                    let rest = this.binary(Op::Subtract, one, c);
                    this.times(da, rest)
                });
                let right = db.map(|db| this.times(db, c));
                let blend = dc.map(|dc| {
                    let gap = this.binary(Op::Subtract, b, a);
                    this.times(gap, dc)
                });
                let ends = this.plus(left, right);
                this.plus(ends, blend)
            }
            // t = (c - a)/(b - a) between 0 and 1, r = t²(3 - 2t): r' = 6t(1 - t)·(c' - a'(1 - t) - b't)/(b - a)
            Fun::SmoothStep => {
                let width = this.binary(Op::Subtract, b, a);
                let way = this.binary(Op::Subtract, c, a);
                let ratio = this.binary(Op::Divide, way, width);
                let t = this.math(Fun::Saturate, &[ratio]);
                let one = this.splat(shape, 1.0);
                let rest = this.binary(Op::Subtract, one, t);
                let near = da.map(|da| this.times(da, rest));
                let far = db.map(|db| this.times(db, t));
                let ends = this.plus(near, far);
                let up = this.minus(dc, ends);
                let up = this.over(up, width);
                this.by(up, |this| {
                    let six = this.splat(shape, 6.0);
                    let product = this.times(t, rest);
                    this.times(six, product)
                })
            }
            Fun::Determinant => return this.determinant(args[0], a, da),
            _ => {
                let name = fun.to_wgsl_for_diagnostics();
                return this.refuse(format!("`{name}` of what depends on an input"));
            }
        };
        Ok(change)
    }

    /// A factor times a change.
    fn by(
        &mut self,
        d: Option<Handle<Expression>>,
        factor: impl FnOnce(&mut Self) -> Handle<Expression>,
    ) -> Option<Handle<Expression>> {
        d.map(|d| {
            let factor = factor(self);
            self.times(factor, d)
        })
    }

    /// d/by of numbers, by way of 1/by, which quotients and logarithms of the same number share: a division costs as much as several
    /// multiplications, and drivers find what is written twice.
    pub(super) fn over_number(
        &mut self,
        d: Option<Handle<Expression>>,
        by: Handle<Expression>,
    ) -> Option<Handle<Expression>> {
        d.map(|d| {
            let one = self.number(1.0);
            let part = self.binary(Op::Divide, one, by);
            self.times(d, part)
        })
    }

    fn over(
        &mut self,
        d: Option<Handle<Expression>>,
        by: Handle<Expression>,
    ) -> Option<Handle<Expression>> {
        d.map(|d| self.binary(Op::Divide, d, by))
    }

    /// The change of the one of two that is less or greater than the other; of equal ones the mean. A NaN is neither, so the second
    /// is taken: that shall be the one that changes by nothing, which is what the value is where the other is NaN.
    fn picked(
        &mut self,
        op: Op,
        shape: Shape,
        [a, b]: [Handle<Expression>; 2],
        d: [Option<Handle<Expression>>; 2],
    ) -> Option<Handle<Expression>> {
        let ([a, b], d) = match d {
            [None, None] => return None,
            [None, Some(_)] => ([b, a], [d[1], d[0]]),
            _ => ([a, b], d),
        };
        let zero = self.splat(shape, 0.0);
        let half = self.splat(shape, 0.5);
        let sum = self.plus(d[0], d[1]).unwrap_or(zero);
        let mean = self.times(half, sum);
        let [da, db] = d.map(|d| d.unwrap_or(zero));
        let same = self.binary(Op::Equal, a, b);
        let first = self.binary(op, a, b);
        let otherwise = self.choose(same, mean, db);
        Some(self.choose(first, da, otherwise))
    }

    /// √((1 - a)(1 + a))
    fn circle(&mut self, shape: Shape, a: Handle<Expression>) -> Handle<Expression> {
        let one = self.splat(shape, 1.0);
        let sides = [Op::Subtract, Op::Add].map(|op| self.binary(op, one, a));
        let product = self.times(sides[0], sides[1]);
        self.math(Fun::Sqrt, &[product])
    }

    /// v·v'/|v|, and 0 where v is 0.
    fn length(
        &mut self,
        shape: Shape,
        v: Handle<Expression>,
        d: Option<Handle<Expression>>,
        r: Handle<Expression>,
    ) -> Option<Handle<Expression>> {
        let d = d?;
        if shape == Shape::Scalar {
            return self.by(Some(d), |this| this.math(Fun::Sign, &[v]));
        }
        let along = self.math(Fun::Dot, &[v, d]);
        let ratio = self.binary(Op::Divide, along, r);
        let zero = self.number(0.0);
        let there = self.binary(Op::Equal, r, zero);
        Some(self.choose(there, zero, ratio))
    }

    /// b·a^(b - 1)·a' + r·log(a)·b'. With b = 1 the first power is 1, also of 0; with b = 0 there is no first part, where the power of 0
    /// would be infinite. Where r is 0 the logarithm may be -inf.
    fn power(
        &mut self,
        args: &[Handle<Expression>],
        shape: Shape,
        [a, b, r]: [Handle<Expression>; 3],
        [da, db]: [Option<Handle<Expression>>; 2],
    ) -> Option<Handle<Expression>> {
        let constant = args.get(1).and_then(|b| self.constant(*b));
        let left = match (da, constant) {
            (None, _) | (_, Some(0.0)) => None,
            (Some(da), Some(b)) => {
                let factor = match b - 1.0 {
                    0.0 => self.splat(shape, 1.0),
                    rest => {
                        let times = self.splat(shape, b);
                        let power = match rest == 1.0 {
                            true => a,
                            false => {
                                let rest = self.splat(shape, rest);
                                self.math(Fun::Pow, &[a, rest])
                            }
                        };
                        self.times(times, power)
                    }
                };
                Some(self.times(factor, da))
            }
            (Some(da), None) => {
                let one = self.splat(shape, 1.0);
                let rest = self.binary(Op::Subtract, b, one);
                let power = self.math(Fun::Pow, &[a, rest]);
                let linear = self.binary(Op::Equal, b, one);
                let power = self.choose(linear, one, power);
                let factor = self.times(b, power);
                let zero = self.splat(shape, 0.0);
                let constant = self.binary(Op::Equal, b, zero);
                let factor = self.choose(constant, zero, factor);
                Some(self.times(factor, da))
            }
        };
        let right = db.map(|db| {
            let zero = self.splat(shape, 0.0);
            let log = self.math(Fun::Log, &[a]);
            let product = self.times(r, log);
            let nothing = self.binary(Op::Equal, r, zero);
            let factor = self.choose(nothing, zero, product);
            self.times(factor, db)
        });
        self.plus(left, right)
    }

    /// The number that a value of the source is, if that is written there; of a vector, if all are the same.
    fn constant(&self, h: Handle<Expression>) -> Option<f32> {
        match self.source.expressions[h] {
            Expression::Literal(Literal::F32(v)) => Some(v),
            Expression::Splat { value, .. } => self.constant(value),
            _ => None,
        }
    }

    /// Of a struct whose first member is a fraction: times 2^-exponent, where there is one.
    fn fraction(
        &mut self,
        call: &Called<'_>,
        d: Option<Handle<Expression>>,
        scaled: Option<Handle<Expression>>,
    ) -> Result<Option<Handle<Expression>>> {
        let Some(d) = d else { return Ok(None) };
        let ty = self.type_of(call.source);
        let ty = self.all.mirror(ty);
        let second = match &self.all.module.types[ty].inner {
            TypeInner::Struct { members, .. } => members.get(1).map(|m| m.ty),
            _ => None,
        };
        let Some(second) = second else {
            return self.refuse("a struct without members");
        };
        let part = match scaled {
            None => d,
            Some(base) => {
                let exponent = self.put(Expression::AccessIndex { base, index: 1 });
                let back = self.negated(exponent);
                self.math(Fun::Ldexp, &[d, back])
            }
        };
        let rest = self.put(Expression::ZeroValue(second));
        let components = vec![part, rest];
        Ok(Some(self.put(Expression::Compose { ty, components })))
    }

    /// With c = b·a and k = 1 - e²(1 - c²): e·a - (e·c + √k)·b, or 0 where k is below 0. Then c' = b'·a + b·a',
    /// k'/2 = e(e·c·c' - (1 - c²)·e'), and the rest by its products.
    fn refracted(
        &mut self,
        shape: Shape,
        [a, b, e]: [Handle<Expression>; 3],
        [da, db, de]: [Option<Handle<Expression>>; 3],
    ) -> Option<Handle<Expression>> {
        let c = self.math(Fun::Dot, &[b, a]);
        let left = db.map(|db| self.math(Fun::Dot, &[db, a]));
        let right = da.map(|da| self.math(Fun::Dot, &[b, da]));
        let dc = self.plus(left, right);
        let (one, zero) = (self.number(1.0), self.number(0.0));
        let square = self.times(c, c);
        let rest = self.binary(Op::Subtract, one, square);
        let scaled = self.times(e, e);
        let taken = self.times(scaled, rest);
        let k = self.binary(Op::Subtract, one, taken);
        let root = self.math(Fun::Sqrt, &[k]);
        let product = self.times(e, c);
        let ecc = dc.map(|dc| self.times(product, dc));
        let ee = de.map(|de| self.times(rest, de));
        let half = self.minus(ecc, ee);
        // k'/(2√k)
        let droot = half.map(|half| {
            let up = self.times(e, half);
            self.binary(Op::Divide, up, root)
        });
        let first = de.map(|de| self.times(a, de));
        let second = da.map(|da| self.times(da, e));
        let straight = self.plus(first, second);
        let first = de.map(|de| self.times(de, c));
        let second = dc.map(|dc| self.times(e, dc));
        let bent = self.plus(first, second);
        let bent = self.plus(bent, droot);
        let along = bent.map(|bent| self.times(b, bent));
        let whole = self.binary(Op::Add, product, root);
        let across = db.map(|db| self.times(db, whole));
        let out = self.minus(straight, along);
        let out = self.minus(out, across)?;
        let none = self.splat(shape, 0.0);
        let back = self.binary(Op::Less, k, zero);
        Some(self.choose(back, none, out))
    }

    /// The sum over columns of the determinant with that column's change in its place.
    fn determinant(
        &mut self,
        source: Handle<Expression>,
        a: Handle<Expression>,
        d: Option<Handle<Expression>>,
    ) -> Result<Option<Handle<Expression>>> {
        let Some(d) = d else { return Ok(None) };
        let &TypeInner::Matrix { columns, .. } = self.inner(source) else {
            return self.refuse("the determinant of what is no matrix");
        };
        let ty = self.type_of(source);
        let mut sum = None;
        for own in 0..columns as u32 {
            let column = |this: &mut Self, index: u32| {
                let base = if index == own { d } else { a };
                this.put(Expression::AccessIndex { base, index })
            };
            let components = (0..columns as u32).map(|i| column(self, i)).collect();
            let changed = self.put(Expression::Compose { ty, components });
            let part = self.math(Fun::Determinant, &[changed]);
            sum = self.plus(sum, Some(part));
        }
        Ok(sum)
    }
}
