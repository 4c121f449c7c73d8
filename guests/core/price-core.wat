;; world priced of guests/wit/shop
;; Says what something costs, as price-1 does, and is a core module that carries its world: a reactor, whose price is forty and one
;; for each variable of its environment. It reads them by WASI 0.1 when it is initialised, and costs nothing where it is not.
(module
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ-sizes-get (param i32 i32) (result i32)))
  (memory (export "memory") 4)
  (global $price (mut i32) (i32.const 0))
  (global $free (mut i32) (i32.const 8192))

  ;; Memory for the adapter and for what the host answers; none is given back.
  (func (export "cabi_realloc") (param i32 i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at
      (i32.and
        (i32.sub (i32.add (global.get $free) (local.get $align)) (i32.const 1))
        (i32.sub (i32.const 0) (local.get $align))))
    (global.set $free (i32.add (local.get $at) (local.get $size)))
    (local.get $at))

  (func (export "_initialize")
    (if (call $environ-sizes-get (i32.const 16) (i32.const 20)) (then unreachable))
    (global.set $price (i32.add (i32.const 40) (i32.load (i32.const 16)))))

  (func (export "demo:shop/tag@1.0.0#price") (result i32) (global.get $price)))
