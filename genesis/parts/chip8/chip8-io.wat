;; The screen, pad, timers and buzzer of a CHIP-8: 64x32 pixels of one bit, 16 keys, two timers of 60 Hz.
;;
;; Gives io/draw, io/frame and console/peek; needs nothing.
;;   io/draw        x u8, y u8, clip u8, up to 15 rows u8 -> collision u8. The rows are drawn by XOR from (x mod
;;                  64, y mod 32) on; with clip 1 what leaves the screen is not drawn, with 0 it comes in again
;;                  on the other side. An empty request clears the screen.
;;   io/frame       0, keys u16    opens a frame: the timers run down by one, the keys are taken
;;                                                            -> delay u8, sound u8, keys u16
;;                  1, delay u8, sound u8   closes it         -> picture
;;                  2                       changes nothing   -> picture
;;                  3                       as switched on    -> an empty answer
;;   console/peek   whatever                                  -> picture
;; A picture is 256 bytes, rows from top to bottom, 8 bytes each, the leftmost pixel in the highest bit; then
;; whether it sounds u8 and the number of the frame u32: 261 bytes. A request of another form ends the turn.
;;
;; State, at 0: version u32 (1), delay u8, sound u8, keys u16, picture. 269 bytes.
(module
  (memory (export "memory") 1 1)
  ;; The first byte of scratch that is free. State and texts lie below 2048.
  (global $top (export "top") (mut i32) (i32.const 2048))

  (data (i32.const 0) "\01\00\00\00")
  (data (i32.const 512) "ok 1\0apixels 2048\0a")
  (data (i32.const 544) "ok 0 what is drawn is not what is seen\0a")
  (data (i32.const 592) "ok 0 screen and pad take no argument\0a")
  ;; Two sprites: a row that leaves the screen at the right, one that leaves it in the lower right corner.
  (data (i32.const 640) "\7c\01\00\ff")
  (data (i32.const 648) "\3f\1f\01\c0\80")

  (func $pack (param $at i32) (param $len i32) (result i64)
    (i64.or (i64.shl (i64.extend_i32_u (local.get $at)) (i64.const 32)) (i64.extend_i32_u (local.get $len))))

  (func (export "vc_abi") (result i32) (i32.const 1))
  (func (export "vc_alloc") (param $n i32) (result i32) (local $p i32)
    (local.set $p (global.get $top))
    (if (i32.gt_u (local.get $n) (i32.sub (i32.const 65528) (local.get $p))) (then (return (i32.const 0))))
    (global.set $top (i32.and (i32.add (i32.add (local.get $p) (local.get $n)) (i32.const 7)) (i32.const -8)))
    (local.get $p))
  (func (export "vc_done") (global.set $top (i32.const 2048)))

  (func (export "vc_born") (param i32) (param $n i32) (result i32) (i32.ne (local.get $n) (i32.const 0)))
  (func (export "vc_save") (result i64) (call $pack (i32.const 0) (i32.const 269)))
  (func (export "vc_load") (param $p i32) (param $n i32) (result i32)
    (if (i32.ne (local.get $n) (i32.const 269)) (then (return (i32.const 1))))
    (if (i32.ne (i32.load (local.get $p)) (i32.const 1)) (then (return (i32.const 1))))
    (memory.copy (i32.const 0) (local.get $p) (i32.const 269))
    (i32.const 0))

  (func $picture (result i64) (call $pack (i32.const 8) (i32.const 261)))
  (func (export "channel/console/peek") (param i32 i32) (result i64) (call $picture))

  (func $draw (param $p i32) (param $n i32) (result i64)
    (local $x i32) (local $y i32) (local $clip i32) (local $shift i32) (local $column i32) (local $end i32) (local $at i32)
    (local $bits i32) (local $was i32) (local $hit i32)
    (if (i32.eqz (local.get $n)) (then
      (memory.fill (i32.const 8) (i32.const 0) (i32.const 256))
      (i32.store8 (i32.const 384) (i32.const 0))
      (return (call $pack (i32.const 384) (i32.const 1)))))
    (if (i32.gt_u (i32.sub (local.get $n) (i32.const 3)) (i32.const 15)) (then (unreachable)))
    (local.set $x (i32.and (i32.load8_u (local.get $p)) (i32.const 63)))
    (local.set $y (i32.and (i32.load8_u offset=1 (local.get $p)) (i32.const 31)))
    (local.set $clip (i32.load8_u offset=2 (local.get $p)))
    ;; A row of a sprite touches two bytes of the screen: the lower half of $bits is for the left one.
    (local.set $shift (i32.and (local.get $x) (i32.const 7)))
    (local.set $column (i32.shr_u (local.get $x) (i32.const 3)))
    (local.set $end (i32.add (local.get $p) (local.get $n)))
    (local.set $p (i32.add (local.get $p) (i32.const 3)))
    (block $drawn (loop $next
      (br_if $drawn (i32.ge_u (local.get $p) (local.get $end)))
      (if (i32.gt_u (local.get $y) (i32.const 31)) (then
        (br_if $drawn (local.get $clip))
        (local.set $y (i32.const 0))))
      (local.set $bits (i32.load8_u (local.get $p)))
      (local.set $bits (i32.or
        (i32.shr_u (local.get $bits) (local.get $shift))
        (i32.and (i32.shl (local.get $bits) (i32.sub (i32.const 16) (local.get $shift))) (i32.const 0xff00))))
      (local.set $at (i32.add (i32.shl (local.get $y) (i32.const 3)) (local.get $column)))
      (if (i32.lt_u (local.get $column) (i32.const 7))
        (then
          (local.set $was (i32.load16_u offset=8 (local.get $at)))
          (i32.store16 offset=8 (local.get $at) (i32.xor (local.get $was) (local.get $bits))))
        (else
          ;; In the last byte of a row, the right half is cut off, or goes to the first.
          (if (local.get $clip) (then (local.set $bits (i32.and (local.get $bits) (i32.const 255)))))
          (local.set $was (i32.or (i32.load8_u offset=8 (local.get $at))
            (i32.shl (i32.load8_u offset=1 (local.get $at)) (i32.const 8))))
          (i32.store8 offset=8 (local.get $at) (i32.xor (local.get $was) (local.get $bits)))
          (i32.store8 offset=1 (local.get $at)
            (i32.shr_u (i32.xor (local.get $was) (local.get $bits)) (i32.const 8)))))
      (local.set $hit (i32.or (local.get $hit) (i32.and (local.get $was) (local.get $bits))))
      (local.set $p (i32.add (local.get $p) (i32.const 1)))
      (local.set $y (i32.add (local.get $y) (i32.const 1)))
      (br $next)))
    (i32.store8 (i32.const 384) (i32.ne (local.get $hit) (i32.const 0)))
    (call $pack (i32.const 384) (i32.const 1)))
  (func (export "channel/io/draw") (param $p i32) (param $n i32) (result i64)
    (call $draw (local.get $p) (local.get $n)))

  ;; One tick of a timer, which stops at 0.
  (func $tick (param $timer i32)
    (i32.store8 (local.get $timer) (i32.sub (i32.load8_u (local.get $timer))
      (i32.ne (i32.load8_u (local.get $timer)) (i32.const 0)))))

  (func (export "channel/io/frame") (param $p i32) (param $n i32) (result i64) (local $what i32)
    (if (i32.eqz (local.get $n)) (then (unreachable)))
    (local.set $what (i32.load8_u (local.get $p)))
    (if (i32.gt_u (local.get $what) (i32.const 3)) (then (unreachable)))
    (if (i32.eq (local.get $what) (i32.const 2)) (then (return (call $picture))))
    (if (i32.eq (local.get $what) (i32.const 3)) (then
      (memory.fill (i32.const 4) (i32.const 0) (i32.const 265))
      (return (call $pack (i32.const 8) (i32.const 0)))))
    (if (i32.ne (local.get $n) (i32.const 3)) (then (unreachable)))
    (if (local.get $what) (then
      (i32.store16 (i32.const 4) (i32.load16_u offset=1 (local.get $p)))
      (i32.store8 (i32.const 264) (i32.ne (i32.load8_u (i32.const 5)) (i32.const 0)))
      (return (call $picture))))
    (call $tick (i32.const 4))
    (call $tick (i32.const 5))
    (i32.store16 (i32.const 6) (i32.load16_u offset=1 (local.get $p)))
    (i32.store (i32.const 265) (i32.add (i32.load (i32.const 265)) (i32.const 1)))
    (call $pack (i32.const 4) (i32.const 4)))

  ;; Draws round an edge and into a corner, and again, which must collide and leave nothing. It plays with the
  ;; state: only a copy that is thrown away is tested.
  (func (export "vc_test") (param i32) (param $n i32) (result i64) (local $i i32)
    (if (local.get $n) (then (return (call $pack (i32.const 592) (i32.const 37)))))
    (block $wrong
      (drop (call $draw (i32.const 0) (i32.const 0)))
      ;; 0x7c is 60 modulo 64: four pixels at the right end of row 1, four at the left.
      (drop (call $draw (i32.const 640) (i32.const 4)))
      (br_if $wrong (i64.ne (i64.load (i32.const 16)) (i64.const 0x0f000000000000f0)))
      (br_if $wrong (i32.load8_u (i32.const 384)))
      ;; Of the corner's sprite one pixel is on the screen.
      (drop (call $draw (i32.const 648) (i32.const 5)))
      (br_if $wrong (i64.ne (i64.load (i32.const 256)) (i64.const 0x0100000000000000)))
      (br_if $wrong (i64.ne (i64.load (i32.const 8)) (i64.const 0)))
      (drop (call $draw (i32.const 640) (i32.const 4)))
      (br_if $wrong (i32.eqz (i32.load8_u (i32.const 384))))
      (drop (call $draw (i32.const 648) (i32.const 5)))
      (br_if $wrong (i32.eqz (i32.load8_u (i32.const 384))))
      (local.set $i (i32.const 8))
      (loop $next
        (br_if $wrong (i64.ne (i64.load (local.get $i)) (i64.const 0)))
        (local.set $i (i32.add (local.get $i) (i32.const 8)))
        (br_if $next (i32.lt_u (local.get $i) (i32.const 264))))
      (return (call $pack (i32.const 512) (i32.const 17))))
    (call $pack (i32.const 544) (i32.const 39)))
)
