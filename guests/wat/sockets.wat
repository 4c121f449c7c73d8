;; Tries what a program does with sockets at 127.0.0.1: each function answers 0 where it was let, else one more than the number of the
;; error that it was told.
(component
  (import "wasi:sockets/network@0.2.0" (instance $network
    (export "network" (type (sub resource)))
    (type $e (enum "unknown" "access-denied" "not-supported" "invalid-argument" "out-of-memory" "timeout" "concurrency-conflict"
      "not-in-progress" "would-block" "invalid-state" "new-socket-limit" "address-not-bindable" "address-in-use"
      "remote-unreachable" "connection-refused" "connection-reset" "connection-aborted" "datagram-too-large"
      "name-unresolvable" "temporary-resolver-failure" "permanent-resolver-failure"))
    (export "error-code" (type (eq $e)))
    (type $family (enum "ipv4" "ipv6"))
    (export "ip-address-family" (type (eq $family)))
    (type $v4 (tuple u8 u8 u8 u8))
    (export "ipv4-address" (type $ipv4 (eq $v4)))
    (type $v6 (tuple u16 u16 u16 u16 u16 u16 u16 u16))
    (export "ipv6-address" (type $ipv6 (eq $v6)))
    (type $v4-socket (record (field "port" u16) (field "address" $ipv4)))
    (export "ipv4-socket-address" (type $ipv4-socket (eq $v4-socket)))
    (type $v6-socket (record (field "port" u16) (field "flow-info" u32) (field "address" $ipv6) (field "scope-id" u32)))
    (export "ipv6-socket-address" (type $ipv6-socket (eq $v6-socket)))
    (type $socket (variant (case "ipv4" $ipv4-socket) (case "ipv6" $ipv6-socket)))
    (export "ip-socket-address" (type (eq $socket)))))
  (alias export $network "network" (type $net))
  (alias export $network "error-code" (type $error))
  (alias export $network "ip-address-family" (type $family))
  (alias export $network "ip-socket-address" (type $address))
  (import "wasi:sockets/instance-network@0.2.0" (instance $instance-network
    (alias outer 1 $net (type $n))
    (export "network" (type $network (eq $n)))
    (export "instance-network" (func (result (own $network))))))
  (import "wasi:sockets/tcp@0.2.0" (instance $tcp
    (alias outer 1 $net (type $n)) (export "network" (type $network (eq $n)))
    (alias outer 1 $error (type $e)) (export "error-code" (type $error (eq $e)))
    (alias outer 1 $address (type $a)) (export "ip-socket-address" (type $address (eq $a)))
    (export "tcp-socket" (type $socket (sub resource)))
    (export "[method]tcp-socket.start-bind"
      (func (param "self" (borrow $socket)) (param "network" (borrow $network)) (param "local-address" $address) (result (result (error $error)))))
    (export "[method]tcp-socket.start-connect"
      (func (param "self" (borrow $socket)) (param "network" (borrow $network)) (param "remote-address" $address) (result (result (error $error)))))))
  (alias export $tcp "tcp-socket" (type $tcp-socket))
  (import "wasi:sockets/tcp-create-socket@0.2.0" (instance $tcp-create
    (alias outer 1 $error (type $e)) (export "error-code" (type $error (eq $e)))
    (alias outer 1 $family (type $f)) (export "ip-address-family" (type $family (eq $f)))
    (alias outer 1 $tcp-socket (type $s)) (export "tcp-socket" (type $socket (eq $s)))
    (export "create-tcp-socket" (func (param "address-family" $family) (result (result (own $socket) (error $error)))))))
  (import "wasi:sockets/udp@0.2.0" (instance $udp
    (alias outer 1 $net (type $n)) (export "network" (type $network (eq $n)))
    (alias outer 1 $error (type $e)) (export "error-code" (type $error (eq $e)))
    (alias outer 1 $address (type $a)) (export "ip-socket-address" (type $address (eq $a)))
    (export "udp-socket" (type $socket (sub resource)))
    (export "[method]udp-socket.start-bind"
      (func (param "self" (borrow $socket)) (param "network" (borrow $network)) (param "local-address" $address) (result (result (error $error)))))))
  (alias export $udp "udp-socket" (type $udp-socket))
  (import "wasi:sockets/udp-create-socket@0.2.0" (instance $udp-create
    (alias outer 1 $error (type $e)) (export "error-code" (type $error (eq $e)))
    (alias outer 1 $family (type $f)) (export "ip-address-family" (type $family (eq $f)))
    (alias outer 1 $udp-socket (type $s)) (export "udp-socket" (type $socket (eq $s)))
    (export "create-udp-socket" (func (param "address-family" $family) (result (result (own $socket) (error $error)))))))
  (import "wasi:sockets/ip-name-lookup@0.2.0" (instance $lookup
    (alias outer 1 $net (type $n)) (export "network" (type $network (eq $n)))
    (alias outer 1 $error (type $e)) (export "error-code" (type $error (eq $e)))
    (export "resolve-address-stream" (type $stream (sub resource)))
    (export "resolve-addresses"
      (func (param "network" (borrow $network)) (param "name" string) (result (result (own $stream) (error $error)))))))
  (core module $libc (memory (export "memory") 1) (data (i32.const 64) "localhost"))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $memory))
  (core func $network-of (canon lower (func $instance-network "instance-network")))
  (core func $new-tcp (canon lower (func $tcp-create "create-tcp-socket") (memory $memory)))
  (core func $new-udp (canon lower (func $udp-create "create-udp-socket") (memory $memory)))
  (core func $bind-tcp (canon lower (func $tcp "[method]tcp-socket.start-bind") (memory $memory)))
  (core func $bind-udp (canon lower (func $udp "[method]udp-socket.start-bind") (memory $memory)))
  (core func $connect-tcp (canon lower (func $tcp "[method]tcp-socket.start-connect") (memory $memory)))
  (core func $resolve (canon lower (func $lookup "resolve-addresses") (memory $memory)))
  (core module $main
    (type $new (func (param i32 i32)))
    (type $at (func (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "l" "memory" (memory 1))
    (import "h" "network-of" (func $network-of (result i32)))
    (import "h" "new-tcp" (func $new-tcp (type $new)))
    (import "h" "new-udp" (func $new-udp (type $new)))
    (import "h" "bind-tcp" (func $bind-tcp (type $at)))
    (import "h" "bind-udp" (func $bind-udp (type $at)))
    (import "h" "connect-tcp" (func $connect-tcp (type $at)))
    (import "h" "resolve" (func $resolve (param i32 i32 i32 i32)))
    (table funcref (elem $new-tcp $new-udp $connect-tcp $bind-tcp $bind-udp))

    ;; What a result says whose error is so many bytes behind its beginning.
    (func $said (param $result i32) (param $offset i32) (result i32)
      (if (i32.eqz (i32.load8_u (local.get $result))) (then (return (i32.const 0))))
      (i32.add (i32.const 1) (i32.load8_u (i32.add (local.get $result) (local.get $offset)))))

    ;; Makes a socket, and has something done with it at a port of 127.0.0.1, by two functions of the table.
    (func $do (param $make i32) (param $do i32) (param $port i32) (result i32)
      (call_indirect (type $new) (i32.const 0) (i32.const 32) (local.get $make))
      (if (i32.load8_u (i32.const 32)) (then (return (call $said (i32.const 32) (i32.const 4)))))
      (call_indirect (type $at) (i32.load (i32.const 36)) (call $network-of)
        (i32.const 0) (local.get $port) (i32.const 127) (i32.const 0) (i32.const 0) (i32.const 1)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
        (i32.const 16) (local.get $do))
      (call $said (i32.const 16) (i32.const 1)))

    (func (export "connect") (param $port i32) (result i32) (call $do (i32.const 0) (i32.const 2) (local.get $port)))
    (func (export "listen") (param $port i32) (result i32) (call $do (i32.const 0) (i32.const 3) (local.get $port)))
    (func (export "receive") (param $port i32) (result i32) (call $do (i32.const 1) (i32.const 4) (local.get $port)))
    (func (export "resolve") (result i32)
      (call $resolve (call $network-of) (i32.const 64) (i32.const 9) (i32.const 16))
      (call $said (i32.const 16) (i32.const 4))))
  (core instance $main (instantiate $main
    (with "l" (instance (export "memory" (memory $memory))))
    (with "h" (instance
      (export "network-of" (func $network-of)) (export "new-tcp" (func $new-tcp)) (export "new-udp" (func $new-udp))
      (export "bind-tcp" (func $bind-tcp)) (export "bind-udp" (func $bind-udp)) (export "connect-tcp" (func $connect-tcp))
      (export "resolve" (func $resolve))))))
  (func (export "connect") (param "port" u16) (result u32) (canon lift (core func $main "connect")))
  (func (export "listen") (param "port" u16) (result u32) (canon lift (core func $main "listen")))
  (func (export "receive") (param "port" u16) (result u32) (canon lift (core func $main "receive")))
  (func (export "resolve") (result u32) (canon lift (core func $main "resolve"))))
