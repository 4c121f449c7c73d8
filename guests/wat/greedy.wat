;; Takes what it is told to of what the host bounds: elements of a table, bytes that the host copies for one call, and headers.
(component
  (import "wasi:config/store@0.2.0-rc.1" (instance $store
    (type $e (variant (case "upstream" string) (case "io" string)))
    (export "error" (type $error (eq $e)))
    (export "get" (func (param "key" string) (result (result (option string) (error $error)))))))
  (import "wasi:http/types@0.2.0" (instance $http
    (export "fields" (type $fields (sub resource)))
    (type $h (variant (case "invalid-syntax") (case "forbidden") (case "immutable")))
    (export "header-error" (type $header-error (eq $h)))
    (export "[constructor]fields" (func (result (own $fields))))
    (export "[method]fields.append"
      (func (param "self" (borrow $fields)) (param "name" string) (param "value" (list u8)) (result (result (error $header-error)))))))
  (core module $libc
    (memory (export "memory") 512)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $memory))
  (alias core export $libc "realloc" (core func $realloc))
  (core func $get (canon lower (func $store "get") (memory $memory) (realloc $realloc)))
  (core func $fields (canon lower (func $http "[constructor]fields")))
  (core func $append (canon lower (func $http "[method]fields.append") (memory $memory)))
  (core module $main
    (import "l" "memory" (memory 512))
    (import "h" "get" (func $get (param i32 i32 i32)))
    (import "h" "fields" (func $fields (result i32)))
    (import "h" "append" (func $append (param i32 i32 i32 i32 i32 i32)))
    (table $table 0 funcref)
    (data (i32.const 32) "x")

    ;; Asks for a setting with a name of so many bytes, which there is not.
    (func (export "ask") (param $size i32)
      (call $get (i32.const 65536) (local.get $size) (i32.const 64))
      (if (i32.or (i32.load8_u (i32.const 64)) (i32.load8_u (i32.const 68))) (then unreachable)))

    ;; Appends headers of so many bytes to one set, and says how many.
    (func (export "headers") (param $size i32) (param $count i32) (result i32)
      (local $set i32) (local $appended i32)
      (memory.fill (i32.const 65536) (i32.const 97) (local.get $size))
      (local.set $set (call $fields))
      (loop $more
        (call $append (local.get $set) (i32.const 32) (i32.const 1) (i32.const 65536) (local.get $size) (i32.const 64))
        (if (i32.load8_u (i32.const 64)) (then (return (local.get $appended))))
        (local.set $appended (i32.add (local.get $appended) (i32.const 1)))
        (br_if $more (i32.lt_u (local.get $appended) (local.get $count))))
      (local.get $appended))

    ;; Says how many elements the table had before, or -1 where it may not have so many more.
    (func (export "grow") (param $elements i32) (result i32)
      (table.grow $table (ref.null func) (local.get $elements))))
  (core instance $main (instantiate $main
    (with "l" (instance (export "memory" (memory $memory))))
    (with "h" (instance (export "get" (func $get)) (export "fields" (func $fields)) (export "append" (func $append))))))
  (func (export "ask") (param "size" u32) (canon lift (core func $main "ask")))
  (func (export "headers") (param "size" u32) (param "count" u32) (result u32) (canon lift (core func $main "headers")))
  (func (export "grow") (param "elements" u32) (result s32) (canon lift (core func $main "grow"))))
