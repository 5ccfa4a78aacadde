;; Adds like counter-v1, but refuses the state of the versions before it: a swap to it must fail and leave
;; the old part as it was.
;;
;; Gives main; needs nothing.
;;
;; State, at 0: version u32 (3), 4 bytes of nothing, total i64. 16 bytes.
(module
  (memory (export "memory") 1 1)
  ;; The first byte of scratch that is free. State, texts and answers lie below 1024.
  (global $top (export "top") (mut i32) (i32.const 1024))

  (data (i32.const 0) "\03\00\00\00")
  (data (i32.const 256) "error: this is no decimal number of up to 18 digits")
  (data (i32.const 320) "error: the total would not fit in 64 bits")
  (data (i32.const 400) "ok 0 it begins with what is no decimal number\0a")
  (data (i32.const 480) "40abc 2 ")
  (data (i32.const 496) "42")
  (data (i32.const 520) "ok 1\0asum 42\0a")
  (data (i32.const 540) "ok 0 40 and 2 do not make 42\0asum 0\0a")

  (func $pack (param $at i32) (param $len i32) (result i64)
    (i64.or (i64.shl (i64.extend_i32_u (local.get $at)) (i64.const 32)) (i64.extend_i32_u (local.get $len))))

  (func (export "vc_abi") (result i32) (i32.const 1))
  (func (export "vc_alloc") (param $n i32) (result i32) (local $p i32)
    (local.set $p (global.get $top))
    (if (i32.gt_u (local.get $n) (i32.sub (i32.const 65528) (local.get $p))) (then (return (i32.const 0))))
    (global.set $top (i32.and (i32.add (i32.add (local.get $p) (local.get $n)) (i32.const 7)) (i32.const -8)))
    (local.get $p))
  (func (export "vc_done") (global.set $top (i32.const 1024)))

  ;; Reads a decimal number of at most 18 digits, which always fit, between blanks; writes it to 32.
  (func $parse (param $p i32) (param $n i32) (result i32)
    (local $end i32) (local $c i32) (local $digits i32) (local $minus i32) (local $value i64)
    (local.set $end (i32.add (local.get $p) (local.get $n)))
    (block $started (loop $blank
      (br_if $started (i32.ge_u (local.get $p) (local.get $end)))
      (br_if $started (i32.gt_u (i32.load8_u (local.get $p)) (i32.const 32)))
      (local.set $p (i32.add (local.get $p) (i32.const 1)))
      (br $blank)))
    (block $ended (loop $blank
      (br_if $ended (i32.ge_u (local.get $p) (local.get $end)))
      (br_if $ended (i32.gt_u (i32.load8_u (i32.sub (local.get $end) (i32.const 1))) (i32.const 32)))
      (local.set $end (i32.sub (local.get $end) (i32.const 1)))
      (br $blank)))
    (if (i32.ge_u (local.get $p) (local.get $end)) (then (return (i32.const 0))))
    (local.set $c (i32.load8_u (local.get $p)))
    (local.set $minus (i32.eq (local.get $c) (i32.const 45)))
    (if (i32.or (local.get $minus) (i32.eq (local.get $c) (i32.const 43)))
      (then (local.set $p (i32.add (local.get $p) (i32.const 1)))))
    (block $all (loop $next
      (br_if $all (i32.ge_u (local.get $p) (local.get $end)))
      (local.set $c (i32.sub (i32.load8_u (local.get $p)) (i32.const 48)))
      (if (i32.gt_u (local.get $c) (i32.const 9)) (then (return (i32.const 0))))
      (local.set $value (i64.add (i64.mul (local.get $value) (i64.const 10)) (i64.extend_i32_u (local.get $c))))
      (local.set $digits (i32.add (local.get $digits) (i32.const 1)))
      (if (i32.gt_u (local.get $digits) (i32.const 18)) (then (return (i32.const 0))))
      (local.set $p (i32.add (local.get $p) (i32.const 1)))
      (br $next)))
    (if (i32.eqz (local.get $digits)) (then (return (i32.const 0))))
    (i64.store (i32.const 32) (select (i64.sub (i64.const 0) (local.get $value)) (local.get $value) (local.get $minus)))
    (i32.const 1))

  ;; Writes a number in decimal so that it ends before $end; answers where it begins.
  (func $show (param $value i64) (param $end i32) (result i32) (local $minus i32)
    (local.set $minus (i64.lt_s (local.get $value) (i64.const 0)))
    (if (local.get $minus) (then (local.set $value (i64.sub (i64.const 0) (local.get $value)))))
    (loop $next
      (local.set $end (i32.sub (local.get $end) (i32.const 1)))
      (i32.store8 (local.get $end)
        (i32.add (i32.const 48) (i32.wrap_i64 (i64.rem_u (local.get $value) (i64.const 10)))))
      (local.set $value (i64.div_u (local.get $value) (i64.const 10)))
      (br_if $next (i64.ne (local.get $value) (i64.const 0))))
    (if (local.get $minus) (then
      (local.set $end (i32.sub (local.get $end) (i32.const 1)))
      (i32.store8 (local.get $end) (i32.const 45))))
    (local.get $end))

  ;; Adds to the total unless it would not fit: then the signs of both differ from that of the sum.
  (func $add (param $number i64) (result i32) (local $old i64) (local $new i64)
    (local.set $old (i64.load (i32.const 8)))
    (local.set $new (i64.add (local.get $old) (local.get $number)))
    (if (i64.lt_s (i64.and (i64.xor (local.get $old) (local.get $new)) (i64.xor (local.get $number) (local.get $new)))
          (i64.const 0))
      (then (return (i32.const 0))))
    (i64.store (i32.const 8) (local.get $new))
    (i32.const 1))

  ;; The argument is the number to begin with; none is 0.
  (func (export "vc_born") (param $p i32) (param $n i32) (result i32)
    (if (i32.eqz (local.get $n)) (then (return (i32.const 0))))
    (if (i32.eqz (call $parse (local.get $p) (local.get $n))) (then (return (i32.const 1))))
    (i64.store (i32.const 8) (i64.load (i32.const 32)))
    (i32.const 0))

  (func (export "vc_save") (result i64) (call $pack (i32.const 0) (i32.const 16)))
  (func (export "vc_load") (param $p i32) (param $n i32) (result i32)
    (if (i32.ne (local.get $n) (i32.const 16)) (then (return (i32.const 1))))
    (if (i32.ne (i32.load (local.get $p)) (i32.const 3)) (then (return (i32.const 1))))
    (i64.store (i32.const 8) (i64.load offset=8 (local.get $p)))
    (i32.const 0))

  (func $main (param $p i32) (param $n i32) (result i64) (local $at i32)
    (if (i32.eqz (call $parse (local.get $p) (local.get $n)))
      (then (return (call $pack (i32.const 256) (i32.const 51)))))
    (if (i32.eqz (call $add (i64.load (i32.const 32))))
      (then (return (call $pack (i32.const 320) (i32.const 41)))))
    (local.set $at (call $show (i64.load (i32.const 8)) (i32.const 96)))
    (call $pack (local.get $at) (i32.sub (i32.const 96) (local.get $at))))
  (func (export "channel/main") (param $p i32) (param $n i32) (result i64)
    (call $main (local.get $p) (local.get $n)))

  ;; Tests a number to begin with, and this part: 40 and then 2 must be answered by 42, and no number
  ;; by no change. It plays with the state: only a copy that is thrown away is tested.
  (func (export "vc_test") (param $p i32) (param $n i32) (result i64) (local $r i64) (local $i i32)
    (if (local.get $n) (then (if (i32.eqz (call $parse (local.get $p) (local.get $n)))
      (then (return (call $pack (i32.const 400) (i32.const 46)))))))
    (i64.store (i32.const 8) (i64.const 0))
    (drop (call $main (i32.const 480) (i32.const 2)))
    (drop (call $main (i32.const 482) (i32.const 3)))
    (local.set $r (call $main (i32.const 485) (i32.const 3)))
    (block $wrong
      (br_if $wrong (i64.ne (i64.load (i32.const 8)) (i64.const 42)))
      (br_if $wrong (i32.ne (i32.wrap_i64 (local.get $r)) (i32.const 2)))
      (loop $next
        (br_if $wrong (i32.ne
          (i32.load8_u (i32.add (local.get $i) (i32.wrap_i64 (i64.shr_u (local.get $r) (i64.const 32)))))
          (i32.load8_u (i32.add (local.get $i) (i32.const 496)))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $next (i32.lt_u (local.get $i) (i32.const 2))))
      (return (call $pack (i32.const 520) (i32.const 12))))
    (call $pack (i32.const 540) (i32.const 35))))
