;; Says its argument ("Hello, World!" without one) in the log of its VC, again and again, until it is stopped
;; or the purse is empty.
;;
;; Gives medium/start, medium/timer and main; needs medium/emit and medium/after.
;;
;; State, at 8: version u8 (1), text. The length of the text is the length of the state - 1.
(module
  (import "channel" "medium/emit" (func $emit (param i32 i32) (result i64)))
  (import "channel" "medium/after" (func $after (param i32 i32) (result i64)))
  (memory (export "memory") 1 1)
  ;; The first byte of scratch that is free. State and tables lie below 8192.
  (global $top (export "top") (mut i32) (i32.const 8192))

  (data (i32.const 8) "\01Hello, World!")
  ;; What medium/after is asked: delay_ms u64, tag u64. Ten lines a second can be read and cost little.
  (data (i32.const 6144) "\64\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
  (data (i32.const 6400) "ok 1\0abytes ")
  (data (i32.const 6500) "ok 0 a text to say has at most 4096 bytes\0a")
  ;; 4: length of the text, u32.
  (data (i32.const 4) "\0d\00\00\00")

  (func $pack (param $at i32) (param $len i32) (result i64)
    (i64.or (i64.shl (i64.extend_i32_u (local.get $at)) (i64.const 32)) (i64.extend_i32_u (local.get $len))))

  (func (export "vc_abi") (result i32) (i32.const 1))
  (func (export "vc_alloc") (param $n i32) (result i32) (local $p i32)
    (local.set $p (global.get $top))
    (if (i32.gt_u (local.get $n) (i32.sub (i32.const 65528) (local.get $p))) (then (return (i32.const 0))))
    (global.set $top (i32.and (i32.add (i32.add (local.get $p) (local.get $n)) (i32.const 7)) (i32.const -8)))
    (local.get $p))
  (func (export "vc_done") (global.set $top (i32.const 8192)))

  ;; Takes the text; no bytes leave the one it has.
  (func $take (param $p i32) (param $n i32) (result i32)
    (if (i32.gt_u (local.get $n) (i32.const 4096)) (then (return (i32.const 1))))
    (if (local.get $n) (then
      (memory.copy (i32.const 9) (local.get $p) (local.get $n))
      (i32.store (i32.const 4) (local.get $n))))
    (i32.const 0))
  (func (export "vc_born") (param $p i32) (param $n i32) (result i32)
    (call $take (local.get $p) (local.get $n)))
  (func (export "vc_save") (result i64)
    (call $pack (i32.const 8) (i32.add (i32.load (i32.const 4)) (i32.const 1))))
  (func (export "vc_load") (param $p i32) (param $n i32) (result i32)
    (if (i32.eqz (local.get $n)) (then (return (i32.const 1))))
    (if (i32.ne (i32.load8_u (local.get $p)) (i32.const 1)) (then (return (i32.const 1))))
    (call $take (i32.add (local.get $p) (i32.const 1)) (i32.sub (local.get $n) (i32.const 1))))

  ;; Tests a text to be said: `ok 1` and how long it is (at most four digits), or why it cannot be.
  (func (export "vc_test") (param $p i32) (param $n i32) (result i64) (local $at i32) (local $unit i32)
    (if (i32.gt_u (local.get $n) (i32.const 4096))
      (then (return (call $pack (i32.const 6500) (i32.const 42)))))
    (local.set $at (i32.const 6411))
    (local.set $unit (i32.const 1000))
    (loop $next
      ;; A digit is written unless it is a leading zero; the last one always is.
      (if (i32.or (i32.ge_u (local.get $n) (local.get $unit)) (i32.or
            (i32.gt_u (local.get $at) (i32.const 6411)) (i32.eq (local.get $unit) (i32.const 1))))
        (then
          (i32.store8 (local.get $at)
            (i32.add (i32.const 48) (i32.div_u (local.get $n) (local.get $unit))))
          (local.set $n (i32.rem_u (local.get $n) (local.get $unit)))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))))
      (local.set $unit (i32.div_u (local.get $unit) (i32.const 10)))
      (br_if $next (local.get $unit)))
    (i32.store8 (local.get $at) (i32.const 10))
    (call $pack (i32.const 6400) (i32.sub (local.get $at) (i32.const 6399))))

  (func $say
    (drop (call $emit (i32.const 9) (i32.load (i32.const 4))))
    (drop (call $after (i32.const 6144) (i32.const 16))))
  (func (export "channel/medium/start") (param i32 i32) (result i64) (call $say) (i64.const 0))
  (func (export "channel/medium/timer") (param i32 i32) (result i64) (call $say) (i64.const 0))
  ;; Whoever asks hears the text too.
  (func (export "channel/main") (param i32 i32) (result i64)
    (call $pack (i32.const 9) (i32.load (i32.const 4)))))
