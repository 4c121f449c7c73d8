;; A core module with functions over plain numbers and some state, for the library pattern. It is a reactor: `_initialize`
;; comes first and once, and what needs it traps without it.
(module
  (memory (export "memory") 1)
  (global $ready (mut i32) (i32.const 0))
  (global $count (mut i32) (i32.const 0))

  (func (export "_initialize")
    (if (global.get $ready) (then unreachable))
    (global.set $ready (i32.const 1))
    (global.set $count (i32.const 100)))

  ;; How often it was called in this instance, from 101 on.
  (func (export "bump") (result i32)
    (if (i32.eqz (global.get $ready)) (then unreachable))
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (global.get $count))

  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "add64") (param i64 i64) (result i64) (i64.add (local.get 0) (local.get 1)))
  (func (export "half") (param f32) (result f32) (f32.div (local.get 0) (f32.const 2)))
  (func (export "scale") (param f64 i32) (result f64) (f64.mul (local.get 0) (f64.convert_i32_s (local.get 1))))
  (func (export "divide") (param i32 i32) (result i32 i32)
    (i32.div_s (local.get 0) (local.get 1))
    (i32.rem_s (local.get 0) (local.get 1)))
  (func (export "nothing"))
  (func (export "spin") (loop $again (br $again)))
  (func (export "fail") unreachable))
