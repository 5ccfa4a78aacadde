;; The brain of a cat: `learn KEY VALUE` stores, `recall KEY` answers the value, or that it is forgotten.
;;
;; Gives main; needs memory/store and memory/recall. It has no state: all it knows is in its hippocampus.
(module
  (import "channel" "memory/store" (func $store (param i32 i32) (result i64)))
  (import "channel" "memory/recall" (func $recall (param i32 i32) (result i64)))
  (memory (export "memory") 1 1)
  ;; The first byte of scratch that is free. State and texts lie below 1024.
  (global $top (export "top") (mut i32) (i32.const 1024))

  (data (i32.const 128) "error: say `learn KEY VALUE` or `recall KEY`")
  (data (i32.const 192) "learn ")
  (data (i32.const 200) "recall ")
  (data (i32.const 208) "forgotten")
  (data (i32.const 220) "learned ")
  (data (i32.const 256) "ok 1\0areads 2\0a")
  (data (i32.const 288) "ok 0 it does not tell `learn` from `recall`\0areads 0\0a")

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

  ;; Whether a text begins like the one at $with.
  (func $begins (param $p i32) (param $n i32) (param $with i32) (param $len i32) (result i32) (local $i i32)
    (if (i32.le_u (local.get $n) (local.get $len)) (then (return (i32.const 0))))
    (loop $next
      (if (i32.ne (i32.load8_u (i32.add (local.get $p) (local.get $i)))
            (i32.load8_u (i32.add (local.get $with) (local.get $i))))
        (then (return (i32.const 0))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (local.get $len))))
    (i32.const 1))

  ;; How many bytes stand before the first blank; all, without one.
  (func $word (param $p i32) (param $n i32) (result i32) (local $i i32)
    (block $end (loop $next
      (br_if $end (i32.ge_u (local.get $i) (local.get $n)))
      (br_if $end (i32.le_u (i32.load8_u (i32.add (local.get $p) (local.get $i))) (i32.const 32)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br $next)))
    (local.get $i))

  ;; The text lies in scratch, so it is turned into `key=value` in place.
  (func $learn (param $p i32) (param $n i32) (result i64) (local $key i32) (local $r i64)
    (local.set $key (call $word (local.get $p) (local.get $n)))
    (if (i32.or (i32.eqz (local.get $key)) (i32.ge_u (local.get $key) (local.get $n)))
      (then (return (call $pack (i32.const 128) (i32.const 44)))))
    (i32.store8 (i32.add (local.get $p) (local.get $key)) (i32.const 61))
    (local.set $r (call $store (local.get $p) (local.get $n)))
    ;; What the memory has to say is why it did not store.
    (if (i32.wrap_i64 (local.get $r)) (then (return (local.get $r))))
    ;; There is no room for two more letters before the key, so the answer is built elsewhere. A key that was
    ;; stored has at most 127 bytes.
    (memory.copy (i32.const 512) (i32.const 220) (i32.const 8))
    (memory.copy (i32.const 520) (local.get $p) (local.get $key))
    (call $pack (i32.const 512) (i32.add (i32.const 8) (local.get $key))))

  (func (export "channel/main") (param $p i32) (param $n i32) (result i64) (local $r i64)
    ;; A blank at the end is not meant.
    (block $ended (loop $blank
      (br_if $ended (i32.eqz (local.get $n)))
      (br_if $ended (i32.gt_u
        (i32.load8_u (i32.sub (i32.add (local.get $p) (local.get $n)) (i32.const 1))) (i32.const 32)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br $blank)))
    (if (call $begins (local.get $p) (local.get $n) (i32.const 192) (i32.const 6)) (then
      (return (call $learn (i32.add (local.get $p) (i32.const 6)) (i32.sub (local.get $n) (i32.const 6))))))
    (if (call $begins (local.get $p) (local.get $n) (i32.const 200) (i32.const 7)) (then
      (local.set $r (call $recall (i32.add (local.get $p) (i32.const 7)) (i32.sub (local.get $n) (i32.const 7))))
      (if (i32.wrap_i64 (local.get $r)) (then (return (local.get $r))))
      (return (call $pack (i32.const 208) (i32.const 9)))))
    (call $pack (i32.const 128) (i32.const 44)))

  ;; Tries its own words on it. A test calls nobody, so nothing is stored.
  (func (export "vc_test") (param i32 i32) (result i64)
    (block $wrong
      (br_if $wrong (i32.eqz (call $begins (i32.const 192) (i32.const 7) (i32.const 192) (i32.const 6))))
      (br_if $wrong (call $begins (i32.const 192) (i32.const 8) (i32.const 200) (i32.const 7)))
      (br_if $wrong (i32.ne (call $word (i32.const 200) (i32.const 7)) (i32.const 6)))
      (return (call $pack (i32.const 256) (i32.const 13))))
    (call $pack (i32.const 288) (i32.const 52)))
)
