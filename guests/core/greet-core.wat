;; world imports of wit/config-store
;; A command of WASI 0.1 that carries a world: it writes the setting `greeting`, and ends with 3 where there is none.
(module
  (import "wasi:config/store@0.2.0-rc.1" "get" (func $get (param i32 i32 i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd-write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc-exit (param i32)))
  (memory (export "memory") 4)
  (data (i32.const 16) "greeting")
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

  (func (export "_start")
    (call $get (i32.const 16) (i32.const 8) (i32.const 32))
    ;; An error, or no such setting.
    (if (i32.or (i32.load8_u (i32.const 32)) (i32.eqz (i32.load8_u (i32.const 36))))
      (then (call $proc-exit (i32.const 3))))
    (i32.store (i32.const 64) (i32.load (i32.const 40)))
    (i32.store (i32.const 68) (i32.load (i32.const 44)))
    (if (call $fd-write (i32.const 1) (i32.const 64) (i32.const 1) (i32.const 72)) (then unreachable))))
