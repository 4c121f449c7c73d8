;; world app of guests/wit/http
;; An HTTP guest as a core module that carries its world, as compilers leave it that make no components. It also writes a line by
;; WASI 0.1, which comes to the host by the adapter that it is made into a component with.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd-write (param i32 i32 i32 i32) (result i32)))
  (import "wasi:http/types@0.2.10" "[constructor]fields" (func $fields-new (result i32)))
  (import "wasi:http/types@0.2.10" "[constructor]outgoing-response" (func $response-new (param i32) (result i32)))
  (import "wasi:http/types@0.2.10" "[method]outgoing-response.body" (func $response-body (param i32 i32)))
  (import "wasi:http/types@0.2.10" "[method]outgoing-body.write" (func $body-write (param i32 i32)))
  (import "wasi:http/types@0.2.10" "[static]outgoing-body.finish" (func $body-finish (param i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.10" "[static]response-outparam.set" (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.10" "[resource-drop]incoming-request" (func $request-drop (param i32)))
  (import "wasi:io/streams@0.2.10" "[method]output-stream.blocking-write-and-flush" (func $write (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.10" "[resource-drop]output-stream" (func $stream-drop (param i32)))
  (memory (export "memory") 4)
  (data (i32.const 16) "Hello from a core module!\n")
  (data (i32.const 64) "asked by WASI 0.1\n")
  ;; What is to be written: the address and the length of the line.
  (data (i32.const 96) "\40\00\00\00\12\00\00\00")
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

  (func (export "wasi:http/incoming-handler@0.2.10#handle") (param $request i32) (param $out i32)
    (local $response i32) (local $body i32) (local $stream i32)
    (call $request-drop (local.get $request))
    (if (call $fd-write (i32.const 1) (i32.const 96) (i32.const 1) (i32.const 104)) (then unreachable))
    (local.set $response (call $response-new (call $fields-new)))
    (call $response-body (local.get $response) (i32.const 256))
    (local.set $body (i32.load (i32.const 260)))
    (call $set (local.get $out) (i32.const 0) (local.get $response) (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
    (call $body-write (local.get $body) (i32.const 256))
    (local.set $stream (i32.load (i32.const 260)))
    (call $write (local.get $stream) (i32.const 16) (i32.const 26) (i32.const 256))
    (call $stream-drop (local.get $stream))
    (call $body-finish (local.get $body) (i32.const 0) (i32.const 0) (i32.const 512))))
