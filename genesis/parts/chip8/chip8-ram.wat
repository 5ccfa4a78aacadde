;; The memory of a CHIP-8: 4 KiB. Addresses are taken modulo 4096, so a range may begin at the end and go on at
;; the beginning.
;;
;; Gives mem/read (address u16, length u16 up to 4096 -> the bytes) and mem/write (address u16, up to 4096
;; bytes -> an empty answer); needs nothing. A request of another form ends the turn.
;;
;; State, at 4095: version u8 (1), the 4096 bytes.
(module
  (memory (export "memory") 1 1)
  ;; The first byte of scratch that is free. State and the bytes that are answered lie below 16384.
  (global $top (export "top") (mut i32) (i32.const 16384))

  (data (i32.const 4095) "\01")
  (data (i32.const 64) "ok 1\0abytes 4096\0a")
  (data (i32.const 96) "ok 0 it does not read what was written\0a")
  (data (i32.const 160) "ok 0 an image of the memory has at most 4096 bytes\0a")
  ;; A request to read 8 bytes at 0xffc, and one to write them.
  (data (i32.const 224) "\fc\0f\08\00")
  (data (i32.const 232) "\fc\0fbothends")

  (func $pack (param $at i32) (param $len i32) (result i64)
    (i64.or (i64.shl (i64.extend_i32_u (local.get $at)) (i64.const 32)) (i64.extend_i32_u (local.get $len))))

  (func (export "vc_abi") (result i32) (i32.const 1))
  (func (export "vc_alloc") (param $n i32) (result i32) (local $p i32)
    (local.set $p (global.get $top))
    (if (i32.gt_u (local.get $n) (i32.sub (i32.const 65528) (local.get $p))) (then (return (i32.const 0))))
    (global.set $top (i32.and (i32.add (i32.add (local.get $p) (local.get $n)) (i32.const 7)) (i32.const -8)))
    (local.get $p))
  (func (export "vc_done") (global.set $top (i32.const 16384)))

  ;; The argument, where there is one, is what the memory holds from its beginning on.
  (func (export "vc_born") (param $p i32) (param $n i32) (result i32)
    (if (i32.gt_u (local.get $n) (i32.const 4096)) (then (return (i32.const 1))))
    (memory.copy (i32.const 4096) (local.get $p) (local.get $n))
    (i32.const 0))
  (func (export "vc_save") (result i64) (call $pack (i32.const 4095) (i32.const 4097)))
  (func (export "vc_load") (param $p i32) (param $n i32) (result i32)
    (if (i32.ne (local.get $n) (i32.const 4097)) (then (return (i32.const 1))))
    (if (i32.ne (i32.load8_u (local.get $p)) (i32.const 1)) (then (return (i32.const 1))))
    (memory.copy (i32.const 4095) (local.get $p) (i32.const 4097))
    (i32.const 0))

  ;; How many of $len bytes from $address on lie before the end.
  (func $before_end (param $address i32) (param $len i32) (result i32) (local $room i32)
    (local.set $room (i32.sub (i32.const 4096) (local.get $address)))
    (select (local.get $len) (local.get $room) (i32.lt_u (local.get $len) (local.get $room))))

  (func $read (param $p i32) (param $n i32) (result i64) (local $address i32) (local $len i32) (local $first i32)
    (if (i32.ne (local.get $n) (i32.const 4)) (then (unreachable)))
    (local.set $address (i32.and (i32.load16_u (local.get $p)) (i32.const 4095)))
    (local.set $len (i32.load16_u offset=2 (local.get $p)))
    (if (i32.gt_u (local.get $len) (i32.const 4096)) (then (unreachable)))
    (local.set $first (call $before_end (local.get $address) (local.get $len)))
    ;; What lies in one piece is answered where it lies.
    (if (i32.eq (local.get $first) (local.get $len))
      (then (return (call $pack (i32.add (i32.const 4096) (local.get $address)) (local.get $len)))))
    (memory.copy (i32.const 8192) (i32.add (i32.const 4096) (local.get $address)) (local.get $first))
    (memory.copy (i32.add (i32.const 8192) (local.get $first)) (i32.const 4096)
      (i32.sub (local.get $len) (local.get $first)))
    (call $pack (i32.const 8192) (local.get $len)))
  (func (export "channel/mem/read") (param $p i32) (param $n i32) (result i64)
    (call $read (local.get $p) (local.get $n)))

  (func $write (param $p i32) (param $n i32) (result i64) (local $address i32) (local $first i32)
    (if (i32.lt_u (local.get $n) (i32.const 2)) (then (unreachable)))
    (local.set $address (i32.and (i32.load16_u (local.get $p)) (i32.const 4095)))
    (local.set $p (i32.add (local.get $p) (i32.const 2)))
    (local.set $n (i32.sub (local.get $n) (i32.const 2)))
    (if (i32.gt_u (local.get $n) (i32.const 4096)) (then (unreachable)))
    (local.set $first (call $before_end (local.get $address) (local.get $n)))
    (memory.copy (i32.add (i32.const 4096) (local.get $address)) (local.get $p) (local.get $first))
    (memory.copy (i32.const 4096) (i32.add (local.get $p) (local.get $first))
      (i32.sub (local.get $n) (local.get $first)))
    (call $pack (i32.const 4096) (i32.const 0)))
  (func (export "channel/mem/write") (param $p i32) (param $n i32) (result i64)
    (call $write (local.get $p) (local.get $n)))

  ;; Tests an image, and that what is written over the end is read there. It plays with the state: only a copy
  ;; that is thrown away is tested.
  (func (export "vc_test") (param i32) (param $n i32) (result i64) (local $r i64)
    (if (i32.gt_u (local.get $n) (i32.const 4096)) (then (return (call $pack (i32.const 160) (i32.const 51)))))
    (drop (call $write (i32.const 232) (i32.const 10)))
    (local.set $r (call $read (i32.const 224) (i32.const 4)))
    (if (i64.ne (i64.load (i32.wrap_i64 (i64.shr_u (local.get $r) (i64.const 32)))) (i64.load (i32.const 234)))
      (then (return (call $pack (i32.const 96) (i32.const 39)))))
    (if (i32.ne (i32.load (i32.const 4096)) (i32.load (i32.const 238)))
      (then (return (call $pack (i32.const 96) (i32.const 39)))))
    (call $pack (i32.const 64) (i32.const 16)))
)
