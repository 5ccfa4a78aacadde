;; A small memory: keeps the last 4 items it was told.
;;
;; Gives memory/store (`key=value` -> nothing, or why not) and memory/recall (key -> value, or nothing); needs
;; nothing.
(module
  (memory (export "memory") 1 1)
  ;; The first byte of scratch that is free. State and texts lie below 8192.
  (global $top (export "top") (mut i32) (i32.const 8192))

  ;; State: at 0 version u8 (1), most items u8, items u8, 0; from 4 on the items, the oldest first, each 256
  ;; bytes: key length u8, value length u8, key, value.
  (data (i32.const 0) "\01\04\00\00")
  (data (i32.const 5120) "error: an item is `key=value`, with 1 to 127 bytes before and at most 127 after the =")
  (data (i32.const 5248) "k0=v0k1=v1k2=v2k3=v3k4=v4k5=v5k6=v6k7=v7")
  (data (i32.const 5320) "ok 1\0aretention 4\0a")
  (data (i32.const 5360) "ok 0 it forgets what it should keep\0aretention 0\0a")

  (func $pack (param $at i32) (param $len i32) (result i64)
    (i64.or (i64.shl (i64.extend_i32_u (local.get $at)) (i64.const 32)) (i64.extend_i32_u (local.get $len))))

  (func (export "vc_abi") (result i32) (i32.const 1))
  (func (export "vc_alloc") (param $n i32) (result i32) (local $p i32)
    (local.set $p (global.get $top))
    (if (i32.gt_u (local.get $n) (i32.sub (i32.const 65528) (local.get $p))) (then (return (i32.const 0))))
    (global.set $top (i32.and (i32.add (i32.add (local.get $p) (local.get $n)) (i32.const 7)) (i32.const -8)))
    (local.get $p))
  (func (export "vc_done") (global.set $top (i32.const 8192)))

  ;; It takes no argument: it begins with nothing.
  (func (export "vc_born") (param i32) (param $n i32) (result i32) (i32.ne (local.get $n) (i32.const 0)))
  (func (export "vc_save") (result i64)
    (call $pack (i32.const 0) (i32.add (i32.const 4) (i32.shl (i32.load8_u (i32.const 2)) (i32.const 8)))))
  (func (export "vc_load") (param $p i32) (param $n i32) (result i32) (local $count i32)
    (if (i32.lt_u (local.get $n) (i32.const 4)) (then (return (i32.const 1))))
    (if (i32.ne (i32.load8_u (local.get $p)) (i32.const 1)) (then (return (i32.const 1))))
    (local.set $count (i32.load8_u offset=2 (local.get $p)))
    (if (i32.gt_u (local.get $count) (i32.const 4)) (then (return (i32.const 1))))
    (if (i32.ne (local.get $n) (i32.add (i32.const 4) (i32.shl (local.get $count) (i32.const 8))))
      (then (return (i32.const 1))))
    (memory.copy (i32.const 4) (i32.add (local.get $p) (i32.const 4)) (i32.sub (local.get $n) (i32.const 4)))
    (i32.store8 (i32.const 2) (local.get $count))
    (i32.const 0))

  ;; The address of item $i.
  (func $item (param $i i32) (result i32) (i32.add (i32.const 4) (i32.shl (local.get $i) (i32.const 8))))

  ;; The address of the item with this key, or 0.
  (func $find (param $key i32) (param $len i32) (result i32) (local $i i32) (local $at i32) (local $j i32)
    (block $none (loop $next
      (br_if $none (i32.ge_u (local.get $i) (i32.load8_u (i32.const 2))))
      (local.set $at (call $item (local.get $i)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.ne (i32.load8_u (local.get $at)) (local.get $len)))
      (local.set $j (i32.const 0))
      (loop $byte
        (br_if $next (i32.ne (i32.load8_u (i32.add (local.get $key) (local.get $j)))
          (i32.load8_u offset=2 (i32.add (local.get $at) (local.get $j)))))
        (local.set $j (i32.add (local.get $j) (i32.const 1)))
        (br_if $byte (i32.lt_u (local.get $j) (local.get $len))))
      (return (local.get $at))))
    (i32.const 0))

  ;; Forgets an item: those after it move up.
  (func $forget (param $at i32)
    (memory.copy (local.get $at) (i32.add (local.get $at) (i32.const 256))
      (i32.sub (call $item (i32.load8_u (i32.const 2))) (i32.add (local.get $at) (i32.const 256))))
    (i32.store8 (i32.const 2) (i32.sub (i32.load8_u (i32.const 2)) (i32.const 1))))

  (func $store (param $p i32) (param $n i32) (result i64) (local $key i32) (local $value i32) (local $at i32)
    (block $wrong
      (loop $next
        (br_if $wrong (i32.ge_u (local.get $key) (local.get $n)))
        (if (i32.ne (i32.load8_u (i32.add (local.get $p) (local.get $key))) (i32.const 61)) (then
          (local.set $key (i32.add (local.get $key) (i32.const 1)))
          (br $next))))
      (br_if $wrong (i32.gt_u (i32.sub (local.get $key) (i32.const 1)) (i32.const 126)))
      (local.set $value (i32.sub (i32.sub (local.get $n) (local.get $key)) (i32.const 1)))
      (br_if $wrong (i32.gt_u (local.get $value) (i32.const 127)))
      ;; What is learned again is the newest again.
      (local.set $at (call $find (local.get $p) (local.get $key)))
      (if (local.get $at) (then (call $forget (local.get $at))))
      (if (i32.ge_u (i32.load8_u (i32.const 2)) (i32.load8_u (i32.const 1)))
        (then (call $forget (call $item (i32.const 0)))))
      (local.set $at (call $item (i32.load8_u (i32.const 2))))
      ;; Equal states are equal bytes, so nothing of an older item stays behind a shorter one.
      (memory.fill (local.get $at) (i32.const 0) (i32.const 256))
      (i32.store8 (local.get $at) (local.get $key))
      (i32.store8 offset=1 (local.get $at) (local.get $value))
      (memory.copy (i32.add (local.get $at) (i32.const 2)) (local.get $p) (local.get $key))
      (memory.copy (i32.add (i32.add (local.get $at) (i32.const 2)) (local.get $key))
        (i32.add (i32.add (local.get $p) (local.get $key)) (i32.const 1)) (local.get $value))
      (i32.store8 (i32.const 2) (i32.add (i32.load8_u (i32.const 2)) (i32.const 1)))
      (return (call $pack (local.get $p) (i32.const 0))))
    (call $pack (i32.const 5120) (i32.const 85)))
  (func $recall (param $p i32) (param $n i32) (result i64) (local $at i32)
    (if (i32.eqz (local.get $n)) (then (return (call $pack (i32.const 4) (i32.const 0)))))
    (local.set $at (call $find (local.get $p) (local.get $n)))
    (if (i32.eqz (local.get $at)) (then (return (call $pack (i32.const 4) (i32.const 0)))))
    (call $pack (i32.add (i32.add (local.get $at) (i32.const 2)) (i32.load8_u (local.get $at)))
      (i32.load8_u offset=1 (local.get $at))))
  (func (export "channel/memory/store") (param $p i32) (param $n i32) (result i64)
    (call $store (local.get $p) (local.get $n)))
  (func (export "channel/memory/recall") (param $p i32) (param $n i32) (result i64)
    (call $recall (local.get $p) (local.get $n)))

  ;; Learns eight items and counts which it still knows. It plays with the state: only a copy that is thrown
  ;; away is tested.
  (func (export "vc_test") (param i32 i32) (result i64) (local $i i32) (local $known i32) (local $r i64)
    (i32.store8 (i32.const 2) (i32.const 0))
    (loop $next
      (drop (call $store (i32.add (i32.const 5248) (local.get $i)) (i32.const 5)))
      (local.set $i (i32.add (local.get $i) (i32.const 5)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 40))))
    (local.set $i (i32.const 0))
    (loop $next
      (local.set $r (call $recall (i32.add (i32.const 5248) (local.get $i)) (i32.const 2)))
      (if (i32.eq (i32.wrap_i64 (local.get $r)) (i32.const 2)) (then
        (local.set $known (i32.add (local.get $known) (i32.eq
          (i32.load16_u (i32.wrap_i64 (i64.shr_u (local.get $r) (i64.const 32))))
          (i32.load16_u offset=5251 (local.get $i)))))))
      (local.set $i (i32.add (local.get $i) (i32.const 5)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 40))))
    (if (i32.eq (local.get $known) (i32.const 4))
      (then (return (call $pack (i32.const 5320) (i32.const 17)))))
    (i32.store8 (i32.const 5406) (i32.add (i32.const 48) (local.get $known)))
    (call $pack (i32.const 5360) (i32.const 48)))
)
