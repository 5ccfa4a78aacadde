;; Judges a memory by what it keeps: stores eight items, then recalls all of them. What the memory says of
;; itself (the message) is not read.
;;
;; Gives judge; needs memory/store and memory/recall, which the host wires to the candidate in a body that is
;; thrown away, so nothing that the cat knows is lost. Answers scores: `ok 1` from 4 on, and `retention`, how
;; many of the eight came back unchanged. It has no state.
(module
  (import "channel" "memory/store" (func $store (param i32 i32) (result i64)))
  (import "channel" "memory/recall" (func $recall (param i32 i32) (result i64)))
  (memory (export "memory") 1 1)
  ;; The first byte of scratch that is free. State and texts lie below 1024.
  (global $top (export "top") (mut i32) (i32.const 1024))

  ;; Eight items of 16 bytes: a key of 7, an equals sign, a value of 8 that is in no other item.
  (data (i32.const 128) "probe-0=7c1d09e3probe-1=a50b62f8probe-2=13e7d4c6probe-3=f08a2b59")
  (data (i32.const 192) "probe-4=6d94c071probe-5=e2375f1aprobe-6=0bc8a6d2probe-7=95f1e34b")
  (data (i32.const 256) "ok 1\0aretention 0\0a")
  (data (i32.const 288) "ok 0 it keeps fewer than 4 of 8 items\0aretention 0\0a")
  (data (i32.const 352) "ok 1\0a")
  (data (i32.const 360) "ok 0 two of its items are one\0a")

  (func $pack (param $at i32) (param $len i32) (result i64)
    (i64.or (i64.shl (i64.extend_i32_u (local.get $at)) (i64.const 32)) (i64.extend_i32_u (local.get $len))))

  (func (export "vc_abi") (result i32) (i32.const 1))
  (func (export "vc_alloc") (param $n i32) (result i32) (local $p i32)
    (local.set $p (global.get $top))
    (if (i32.gt_u (local.get $n) (i32.sub (i32.const 65528) (local.get $p))) (then (return (i32.const 0))))
    (global.set $top (i32.and (i32.add (i32.add (local.get $p) (local.get $n)) (i32.const 7)) (i32.const -8)))
    (local.get $p))
  (func (export "vc_done") (global.set $top (i32.const 1024)))
  ;; It keeps nothing, so it has nothing to save and takes over nothing.
  (func (export "vc_save") (result i64) (i64.const 0))
  (func (export "vc_load") (param i32) (param $n i32) (result i32) (i32.ne (local.get $n) (i32.const 0)))

  (func (export "channel/judge") (param i32 i32) (result i64) (local $item i32) (local $known i32) (local $r i64)
    (local.set $item (i32.const 128))
    (loop $next
      (drop (call $store (local.get $item) (i32.const 16)))
      (local.set $item (i32.add (local.get $item) (i32.const 16)))
      (br_if $next (i32.lt_u (local.get $item) (i32.const 256))))
    (local.set $item (i32.const 128))
    (loop $next
      (local.set $r (call $recall (local.get $item) (i32.const 7)))
      (if (i32.eq (i32.wrap_i64 (local.get $r)) (i32.const 8)) (then
        (local.set $known (i32.add (local.get $known) (i64.eq
          (i64.load (i32.wrap_i64 (i64.shr_u (local.get $r) (i64.const 32))))
          (i64.load offset=8 (local.get $item)))))))
      (local.set $item (i32.add (local.get $item) (i32.const 16)))
      (br_if $next (i32.lt_u (local.get $item) (i32.const 256))))
    (if (i32.ge_u (local.get $known) (i32.const 4)) (then
      (i32.store8 (i32.const 271) (i32.add (i32.const 48) (local.get $known)))
      (return (call $pack (i32.const 256) (i32.const 17)))))
    (i32.store8 (i32.const 336) (i32.add (i32.const 48) (local.get $known)))
    (call $pack (i32.const 288) (i32.const 50)))

  ;; A memory that confuses items must be found out, so no two of them may have a key or a value in common.
  (func (export "vc_test") (param i32 i32) (result i64) (local $a i32) (local $b i32)
    (local.set $a (i32.const 128))
    (loop $first
      (local.set $b (i32.const 128))
      (loop $second
        (if (i32.ne (local.get $a) (local.get $b)) (then
          (if (i32.or (i64.eq (i64.load (local.get $a)) (i64.load (local.get $b)))
                (i64.eq (i64.load offset=8 (local.get $a)) (i64.load offset=8 (local.get $b))))
            (then (return (call $pack (i32.const 360) (i32.const 30)))))))
        (local.set $b (i32.add (local.get $b) (i32.const 16)))
        (br_if $second (i32.lt_u (local.get $b) (i32.const 256))))
      (local.set $a (i32.add (local.get $a) (i32.const 16)))
      (br_if $first (i32.lt_u (local.get $a) (i32.const 256))))
    (call $pack (i32.const 352) (i32.const 5)))
)
