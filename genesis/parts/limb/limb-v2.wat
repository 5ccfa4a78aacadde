;; A limb that moves the wrong way, and whose own test says so: it is refused before any judge looks.
;;
;; Gives limb/move; needs nothing.
;;
;; State, at 0: version u32 (1), position u32. 8 bytes; the same in all limbs, so that any takes over from any.
(module
  (memory (export "memory") 1 1)
  ;; The first byte of scratch that is free. State and texts lie below 1024.
  (global $top (export "top") (mut i32) (i32.const 1024))

  (data (i32.const 0) "\01\00\00\00")
  (data (i32.const 64) "ok 0 moved -1 where 1 was asked\0amoved 0\0a")
  (data (i32.const 128) "ok 0 a limb takes no argument\0a")
  (data (i32.const 192) "ok 1\0amoved 3\0a")

  (func $pack (param $at i32) (param $len i32) (result i64)
    (i64.or (i64.shl (i64.extend_i32_u (local.get $at)) (i64.const 32)) (i64.extend_i32_u (local.get $len))))

  (func (export "vc_abi") (result i32) (i32.const 1))
  (func (export "vc_alloc") (param $n i32) (result i32) (local $p i32)
    (local.set $p (global.get $top))
    (if (i32.gt_u (local.get $n) (i32.sub (i32.const 65528) (local.get $p))) (then (return (i32.const 0))))
    (global.set $top (i32.and (i32.add (i32.add (local.get $p) (local.get $n)) (i32.const 7)) (i32.const -8)))
    (local.get $p))
  (func (export "vc_done") (global.set $top (i32.const 1024)))
  ;; It takes no argument: where it begins is 0.
  (func (export "vc_born") (param i32) (param $n i32) (result i32) (i32.ne (local.get $n) (i32.const 0)))
  (func (export "vc_save") (result i64) (call $pack (i32.const 0) (i32.const 8)))
  (func (export "vc_load") (param $p i32) (param $n i32) (result i32)
    (if (i32.ne (local.get $n) (i32.const 8)) (then (return (i32.const 1))))
    (if (i32.ne (i32.load (local.get $p)) (i32.const 1)) (then (return (i32.const 1))))
    (i32.store (i32.const 4) (i32.load offset=4 (local.get $p)))
    (i32.const 0))

  ;; Where so many steps lead from there.
  (func $step (param $from i32) (param $steps i32) (result i32)
    (i32.sub (local.get $from) (local.get $steps)))

  ;; Steps u32 -> the new position u32. A request of another length ends the turn.
  (func (export "channel/limb/move") (param $p i32) (param $n i32) (result i64)
    (if (i32.ne (local.get $n) (i32.const 4)) (then (unreachable)))
    (i32.store (i32.const 4) (call $step (i32.load (i32.const 4)) (i32.load (local.get $p))))
    (call $pack (i32.const 4) (i32.const 4)))

  ;; Takes 1, 2 and 3 steps from 10, and counts how often it ended where it should.
  (func (export "vc_test") (param i32) (param $n i32) (result i64) (local $steps i32) (local $right i32)
    (if (local.get $n) (then (return (call $pack (i32.const 128) (i32.const 30)))))
    (loop $next
      (local.set $steps (i32.add (local.get $steps) (i32.const 1)))
      (local.set $right (i32.add (local.get $right) (i32.eq
        (call $step (i32.const 10) (local.get $steps)) (i32.add (i32.const 10) (local.get $steps)))))
      (br_if $next (i32.lt_u (local.get $steps) (i32.const 3))))
    (if (i32.lt_u (local.get $right) (i32.const 3)) (then
      (i32.store8 (i32.const 102) (i32.add (i32.const 48) (local.get $right)))
      (return (call $pack (i32.const 64) (i32.const 40)))))
    (call $pack (i32.const 192) (i32.const 13)))
)
