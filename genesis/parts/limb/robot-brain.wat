;; The brain of a robot: `move 3`, or only `3`, moves its limb by three steps and answers where it is then.
;; Positions are shown with a sign: `move -2` is two steps back.
;;
;; Gives main; needs limb/move. Without a limb a move ends the turn: unmet need limb/move. It has no state.
(module
  (import "channel" "limb/move" (func $move (param i32 i32) (result i64)))
  (memory (export "memory") 1 1)
  ;; The first byte of scratch that is free. State and texts lie below 1024.
  (global $top (export "top") (mut i32) (i32.const 1024))

  (data (i32.const 128) "error: say `move N`, with a whole number of up to 9 digits")
  (data (i32.const 192) "move ")
  (data (i32.const 200) "move -123move x")
  (data (i32.const 224) "ok 1\0areads 2\0a")
  (data (i32.const 256) "ok 0 it does not read `move -123` and only that\0areads 0\0a")

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

  ;; Where the first byte stands that is no blank.
  (func $skip (param $p i32) (param $end i32) (result i32)
    (block $started (loop $blank
      (br_if $started (i32.ge_u (local.get $p) (local.get $end)))
      (br_if $started (i32.gt_u (i32.load8_u (local.get $p)) (i32.const 32)))
      (local.set $p (i32.add (local.get $p) (i32.const 1)))
      (br $blank)))
    (local.get $p))

  ;; Reads `move N` or `N`, blanks around; writes N to 24.
  (func $parse (param $p i32) (param $n i32) (result i32)
    (local $end i32) (local $c i32) (local $digits i32) (local $minus i32) (local $value i32)
    (local.set $end (i32.add (local.get $p) (local.get $n)))
    (local.set $p (call $skip (local.get $p) (local.get $end)))
    (if (i32.ge_u (i32.sub (local.get $end) (local.get $p)) (i32.const 5)) (then
      (if (i32.and (i32.eq (i32.load (local.get $p)) (i32.load (i32.const 192)))
            (i32.eq (i32.load8_u offset=4 (local.get $p)) (i32.const 32)))
        (then (local.set $p (i32.add (local.get $p) (i32.const 5)))))))
    (local.set $p (call $skip (local.get $p) (local.get $end)))
    (block $ended (loop $blank
      (br_if $ended (i32.ge_u (local.get $p) (local.get $end)))
      (br_if $ended (i32.gt_u (i32.load8_u (i32.sub (local.get $end) (i32.const 1))) (i32.const 32)))
      (local.set $end (i32.sub (local.get $end) (i32.const 1)))
      (br $blank)))
    (if (i32.ge_u (local.get $p) (local.get $end)) (then (return (i32.const 0))))
    (local.set $minus (i32.eq (i32.load8_u (local.get $p)) (i32.const 45)))
    (local.set $p (i32.add (local.get $p) (local.get $minus)))
    (block $all (loop $next
      (br_if $all (i32.ge_u (local.get $p) (local.get $end)))
      (local.set $c (i32.sub (i32.load8_u (local.get $p)) (i32.const 48)))
      (if (i32.gt_u (local.get $c) (i32.const 9)) (then (return (i32.const 0))))
      (local.set $value (i32.add (i32.mul (local.get $value) (i32.const 10)) (local.get $c)))
      (local.set $digits (i32.add (local.get $digits) (i32.const 1)))
      (if (i32.gt_u (local.get $digits) (i32.const 9)) (then (return (i32.const 0))))
      (local.set $p (i32.add (local.get $p) (i32.const 1)))
      (br $next)))
    (i32.store (i32.const 24)
      (select (i32.sub (i32.const 0) (local.get $value)) (local.get $value) (local.get $minus)))
    (i32.ne (local.get $digits) (i32.const 0)))

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

  (func (export "channel/main") (param $p i32) (param $n i32) (result i64) (local $at i32)
    (if (i32.eqz (call $parse (local.get $p) (local.get $n)))
      (then (return (call $pack (i32.const 128) (i32.const 58)))))
    (local.set $at (call $show (call $ask (i32.load (i32.const 24))) (i32.const 64)))
    (call $pack (local.get $at) (i32.sub (i32.const 64) (local.get $at))))

  ;; It reads what it should, and not what it should not. A test calls nobody, so no limb is moved.
  (func (export "vc_test") (param i32 i32) (result i64)
    (if (call $parse (i32.const 200) (i32.const 9)) (then
      (if (i32.eq (i32.load (i32.const 24)) (i32.const -123)) (then
        (if (i32.eqz (call $parse (i32.const 209) (i32.const 6)))
          (then (return (call $pack (i32.const 224) (i32.const 13)))))))))
    (call $pack (i32.const 256) (i32.const 56)))
)
