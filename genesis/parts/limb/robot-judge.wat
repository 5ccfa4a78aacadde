;; Judges a limb by trying it: 1, 2 and 3 steps, each from where it stands. What the limb says of itself (the
;; message) is not read.
;;
;; Gives judge; needs limb/move, which the host wires to the candidate in a body that is thrown away, so no
;; move is felt. Answers scores: `ok 1`, and `moved`, how many of the three moves ended where they should. It
;; has no state.
(module
  (import "channel" "limb/move" (func $move (param i32 i32) (result i64)))
  (memory (export "memory") 1 1)
  ;; The first byte of scratch that is free. State and texts lie below 1024.
  (global $top (export "top") (mut i32) (i32.const 1024))

  (data (i32.const 128) "ok 1\0amoved 3\0a")
  (data (i32.const 160) "ok 0 moved ")
  (data (i32.const 176) " where ")
  (data (i32.const 192) " was asked\0amoved ")
  (data (i32.const 224) "-2147483648")
  (data (i32.const 240) "ok 1\0a")
  (data (i32.const 256) "ok 0 it writes no numbers\0a")

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

  ;; Writes a number in decimal so that it ends before $end; answers where it begins.
  (func $show (param $value i32) (param $end i32) (result i32) (local $minus i32)
    (local.set $minus (i32.lt_s (local.get $value) (i32.const 0)))
    (if (local.get $minus) (then (local.set $value (i32.sub (i32.const 0) (local.get $value)))))
    (loop $next
      (local.set $end (i32.sub (local.get $end) (i32.const 1)))
      (i32.store8 (local.get $end) (i32.add (i32.const 48) (i32.rem_u (local.get $value) (i32.const 10))))
      (local.set $value (i32.div_u (local.get $value) (i32.const 10)))
      (br_if $next (local.get $value)))
    (if (local.get $minus) (then
      (local.set $end (i32.sub (local.get $end) (i32.const 1)))
      (i32.store8 (local.get $end) (i32.const 45))))
    (local.get $end))

  ;; Asks the limb for so many steps; where it is then.
  (func $ask (param $steps i32) (result i32) (local $r i64)
    (i32.store (i32.const 16) (local.get $steps))
    (local.set $r (call $move (i32.const 16) (i32.const 4)))
    ;; Whatever is not a position is not a limb's.
    (if (i32.ne (i32.wrap_i64 (local.get $r)) (i32.const 4)) (then (unreachable)))
    (i32.load (i32.wrap_i64 (i64.shr_u (local.get $r) (i64.const 32)))))

  ;; Writes bytes to $out; answers where the next go.
  (func $put (param $out i32) (param $from i32) (param $len i32) (result i32)
    (memory.copy (local.get $out) (local.get $from) (local.get $len))
    (i32.add (local.get $out) (local.get $len)))
  (func $put_number (param $out i32) (param $value i32) (result i32) (local $at i32)
    (local.set $at (call $show (local.get $value) (i32.const 64)))
    (call $put (local.get $out) (local.get $at) (i32.sub (i32.const 64) (local.get $at))))

  (func (export "channel/judge") (param i32 i32) (result i64)
    (local $from i32) (local $to i32) (local $steps i32) (local $out i32)
    ;; No step tells where it stands.
    (local.set $from (call $ask (i32.const 0)))
    (local.set $steps (i32.const 1))
    (loop $next
      (local.set $to (call $ask (local.get $steps)))
      (if (i32.ne (i32.sub (local.get $to) (local.get $from)) (local.get $steps)) (then
        (local.set $out (call $put (i32.const 512) (i32.const 160) (i32.const 11)))
        (local.set $out (call $put_number (local.get $out) (i32.sub (local.get $to) (local.get $from))))
        (local.set $out (call $put (local.get $out) (i32.const 176) (i32.const 7)))
        (local.set $out (call $put_number (local.get $out) (local.get $steps)))
        (local.set $out (call $put (local.get $out) (i32.const 192) (i32.const 17)))
        (local.set $out (call $put_number (local.get $out) (i32.sub (local.get $steps) (i32.const 1))))
        (i32.store8 (local.get $out) (i32.const 10))
        (return (call $pack (i32.const 512) (i32.sub (local.get $out) (i32.const 511))))))
      (local.set $from (local.get $to))
      (local.set $steps (i32.add (local.get $steps) (i32.const 1)))
      (br_if $next (i32.le_u (local.get $steps) (i32.const 3))))
    (call $pack (i32.const 128) (i32.const 13)))

  ;; The one thing that can be tried without a limb: the hardest number it may have to write.
  (func (export "vc_test") (param i32 i32) (result i64) (local $i i32)
    (if (i32.ne (call $show (i32.const -2147483648) (i32.const 64)) (i32.const 53))
      (then (return (call $pack (i32.const 256) (i32.const 26)))))
    (loop $next
      (if (i32.ne (i32.load8_u offset=53 (local.get $i)) (i32.load8_u offset=224 (local.get $i)))
        (then (return (call $pack (i32.const 256) (i32.const 26)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 11))))
    (call $pack (i32.const 240) (i32.const 5)))
)
