;; A command of WASI 0.3: it writes each of its arguments on a line. With one it ends well, with more it ends with their number, and
;; without any it has failed.
(component
  (import "wasi:cli/environment@0.3.0" (instance $environment
    (export "get-arguments" (func (result (list string))))))
  (import "wasi:cli/types@0.3.0" (instance $types
    (type $e0 (enum "io" "illegal-byte-sequence" "pipe"))
    (export "error-code" (type (eq $e0)))))
  (alias export $types "error-code" (type $error-code))
  (import "wasi:cli/stdout@0.3.0" (instance $stdout
    (alias outer 1 $error-code (type $e0))
    (export "error-code" (type $e (eq $e0)))
    (export "write-via-stream" (func (param "data" (stream u8)) (result (future (result (error $e))))))))
  (import "wasi:cli/exit@0.3.0" (instance $exit
    (export "exit-with-code" (func (param "status-code" u8)))))
  (type $bytes (stream u8))
  (type $written (future (result (error $error-code))))
  (core module $libc
    (memory (export "memory") 2)
    (global $free (mut i32) (i32.const 65536))
    ;; Memory for the arguments; none is given back.
    (func (export "realloc") (param i32 i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at
        (i32.and
          (i32.sub (i32.add (global.get $free) (local.get $align)) (i32.const 1))
          (i32.sub (i32.const 0) (local.get $align))))
      (global.set $free (i32.add (local.get $at) (local.get $size)))
      (local.get $at)))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $memory))
  (alias core export $libc "realloc" (core func $realloc))
  (core func $get-arguments (canon lower (func $environment "get-arguments") (memory $memory) (realloc $realloc)))
  (core func $write-via-stream (canon lower (func $stdout "write-via-stream")))
  (core func $exit-with-code (canon lower (func $exit "exit-with-code")))
  (core func $stream-new (canon stream.new $bytes))
  (core func $stream-write (canon stream.write $bytes async (memory $memory)))
  (core func $stream-drop (canon stream.drop-writable $bytes))
  (core func $future-read (canon future.read $written async (memory $memory)))
  (core func $future-drop (canon future.drop-readable $written))
  (core func $set-new (canon waitable-set.new))
  (core func $set-wait (canon waitable-set.wait (memory $memory)))
  (core func $set-drop (canon waitable-set.drop))
  (core func $join (canon waitable.join))
  (core module $main
    (import "l" "memory" (memory 2))
    (import "h" "get-arguments" (func $get-arguments (param i32)))
    (import "h" "write-via-stream" (func $write-via-stream (param i32) (result i32)))
    (import "h" "exit-with-code" (func $exit-with-code (param i32)))
    (import "h" "stream-new" (func $stream-new (result i64)))
    (import "h" "stream-write" (func $stream-write (param i32 i32 i32) (result i32)))
    (import "h" "stream-drop" (func $stream-drop (param i32)))
    (import "h" "future-read" (func $future-read (param i32 i32) (result i32)))
    (import "h" "future-drop" (func $future-drop (param i32)))
    (import "h" "set-new" (func $set-new (result i32)))
    (import "h" "set-wait" (func $set-wait (param i32 i32) (result i32)))
    (import "h" "set-drop" (func $set-drop (param i32)))
    (import "h" "join" (func $join (param i32 i32)))

    ;; What became of an operation that may have to be waited for.
    (func $done (param $waitable i32) (param $code i32) (result i32)
      (local $set i32)
      (if (i32.ne (local.get $code) (i32.const -1)) (then (return (local.get $code))))
      (local.set $set (call $set-new))
      (call $join (local.get $waitable) (local.get $set))
      (drop (call $set-wait (local.get $set) (i32.const 32)))
      (call $join (local.get $waitable) (i32.const 0))
      (call $set-drop (local.get $set))
      (i32.load (i32.const 36)))

    ;; Writes so many bytes of what lies at 4096.
    (func $write (param $size i32)
      (local $ends i64) (local $writer i32) (local $written i32) (local $at i32) (local $code i32)
      (local.set $ends (call $stream-new))
      (local.set $writer (i32.wrap_i64 (i64.shr_u (local.get $ends) (i64.const 32))))
      (local.set $written (call $write-via-stream (i32.wrap_i64 (local.get $ends))))
      (loop $more
        (local.set $code
          (call $done (local.get $writer)
            (call $stream-write (local.get $writer)
              (i32.add (i32.const 4096) (local.get $at)) (i32.sub (local.get $size) (local.get $at)))))
        (local.set $at (i32.add (local.get $at) (i32.shr_u (local.get $code) (i32.const 4))))
        ;; The reader is there until all is written.
        (if (i32.and (local.get $code) (i32.const 15)) (then unreachable))
        (br_if $more (i32.lt_u (local.get $at) (local.get $size))))
      (call $stream-drop (local.get $writer))
      (drop (call $done (local.get $written) (call $future-read (local.get $written) (i32.const 48))))
      (if (i32.load8_u (i32.const 48)) (then unreachable))
      (call $future-drop (local.get $written)))

    (func (export "run") (result i32)
      (local $count i32) (local $index i32) (local $argument i32) (local $end i32)
      (call $get-arguments (i32.const 16))
      ;; The first is the program's own name.
      (local.set $count (i32.sub (i32.load (i32.const 20)) (i32.const 1)))
      (if (i32.eqz (local.get $count)) (then (return (i32.const 1))))
      (local.set $end (i32.const 4096))
      (loop $next
        (local.set $index (i32.add (local.get $index) (i32.const 1)))
        (local.set $argument (i32.add (i32.load (i32.const 16)) (i32.shl (local.get $index) (i32.const 3))))
        (memory.copy (local.get $end) (i32.load (local.get $argument)) (i32.load offset=4 (local.get $argument)))
        (local.set $end (i32.add (local.get $end) (i32.load offset=4 (local.get $argument))))
        (i32.store8 (local.get $end) (i32.const 10))
        (local.set $end (i32.add (local.get $end) (i32.const 1)))
        (br_if $next (i32.lt_u (local.get $index) (local.get $count))))
      (call $write (i32.sub (local.get $end) (i32.const 4096)))
      (if (i32.gt_u (local.get $count) (i32.const 1)) (then (call $exit-with-code (local.get $count))))
      (i32.const 0)))
  (core instance $main (instantiate $main
    (with "l" (instance (export "memory" (memory $memory))))
    (with "h" (instance
      (export "get-arguments" (func $get-arguments)) (export "write-via-stream" (func $write-via-stream))
      (export "exit-with-code" (func $exit-with-code)) (export "stream-new" (func $stream-new))
      (export "stream-write" (func $stream-write)) (export "stream-drop" (func $stream-drop))
      (export "future-read" (func $future-read)) (export "future-drop" (func $future-drop))
      (export "set-new" (func $set-new)) (export "set-wait" (func $set-wait)) (export "set-drop" (func $set-drop))
      (export "join" (func $join))))))
  (func $run async (result (result)) (canon lift (core func $main "run")))
  (instance $exported (export "run" (func $run)))
  (export "wasi:cli/run@0.3.0" (instance $exported)))
