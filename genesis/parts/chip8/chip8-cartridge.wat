;; A CHIP-8 cartridge: a program, how it wants to be run, and its title. Without an argument it is the
;; program below, of the medium's own.
;;
;; Gives cart/quirks and cart/rom; needs nothing.
;;   cart/quirks   whatever -> digest of the program u64 (FNV-1a), its length u16, instructions per frame u16,
;;                 flags u8, title length u8, title
;;   cart/rom      offset u16, length u16 -> the bytes that are there. A request of another length ends the turn.
;;
;; Argument: a program as it is (`.ch8`, 1 to 3584 bytes), which is run like on a VIP (flags 0x34, 15
;; instructions per frame); or, so that it says itself how to run it:
;;   "C8", version u8 (1), flags u8, instructions per frame u16 (1 to 4096), title length u8, title, program
;; Flags: 1 shifts act on Vx alone; 2 Fx55 and Fx65 leave I; 4 sprites are clipped; 8 Bxnn adds Vx; 16 a frame
;; ends with a sprite; 32 8xy1, 8xy2 and 8xy3 reset VF. A program that itself begins with these three bytes has
;; to be wrapped.
;;
;; State: the cartridge in the second form.
(module
  (memory (export "memory") 1 1)
  ;; The first byte of scratch that is free. The cartridge and what is read from it lie below 16384.
  (global $top (export "top") (mut i32) (i32.const 16384))

  ;; 0 length of the cartridge u32, 4 where its program is u32, 8 length of the program u32: 0 before the first
  ;; use. From 1024 on the cartridge, from 8192 on the answer of cart/quirks.
  (data (i32.const 0) "\5c\00\00\00")
  ;; The program bounces a ball; while key 5 is down, the ball leaves a trail. Clipped, 30 instructions per frame.
  (data (i32.const 1024) "C8\01\04\1e\00\06bounce"
    "\60\14" ;; 200  ld  v0, 20      x, the left end of the ball
    "\61\08" ;; 202  ld  v1, 8       y, its upper end
    "\62\01" ;; 204  ld  v2, 1       how far right it goes in a frame
    "\63\01" ;; 206  ld  v3, 1       how far down
    "\65\05" ;; 208  ld  v5, 5       the key that leaves a trail
    "\66\02" ;; 20a  ld  v6, 2       how many frames a bounce sounds
    "\a2\4c" ;; 20c  ld  i, ball
    "\d0\13" ;; 20e  drw v0, v1, 3
    "\64\01" ;; 210  ld  v4, 1       frame: the delay timer is set and waited for,
    "\f4\15" ;; 212  ld  dt, v4      so there is one move in a frame
    "\f4\07" ;; 214  ld  v4, dt      wait:
    "\34\00" ;; 216  se  v4, 0
    "\12\14" ;; 218  jp  wait
    "\e5\9e" ;; 21a  skp v5          with the key down the old ball stays
    "\d0\13" ;; 21c  drw v0, v1, 3   drawn again, it goes
    "\80\24" ;; 21e  add v0, v2
    "\81\34" ;; 220  add v1, v3
    "\40\00" ;; 222  sne v0, 0       at the left
    "\22\38" ;; 224  call flip_x
    "\40\3d" ;; 226  sne v0, 61      and at the right it turns round
    "\22\38" ;; 228  call flip_x
    "\41\00" ;; 22a  sne v1, 0       above
    "\22\42" ;; 22c  call flip_y
    "\41\1d" ;; 22e  sne v1, 29      and below
    "\22\42" ;; 230  call flip_y
    "\a2\4c" ;; 232  ld  i, ball
    "\d0\13" ;; 234  drw v0, v1, 3
    "\12\10" ;; 236  jp  frame
    "\67\00" ;; 238  ld  v7, 0       flip_x:
    "\87\25" ;; 23a  sub v7, v2      1 becomes 255, which is -1, and 255 becomes 1
    "\82\70" ;; 23c  ld  v2, v7
    "\f6\18" ;; 23e  ld  st, v6
    "\00\ee" ;; 240  ret
    "\67\00" ;; 242  ld  v7, 0       flip_y:
    "\87\35" ;; 244  sub v7, v3
    "\83\70" ;; 246  ld  v3, v7
    "\f6\18" ;; 248  ld  st, v6
    "\00\ee" ;; 24a  ret
    "\40"    ;; 24c  db 0x40         ball: .#.
    "\e0"    ;; 24d  db 0xe0               ###
    "\40"    ;; 24e  db 0x40               .#.
  )
  ;; What can be wrong with a cartridge: 64 bytes for each, the length first.
  (data (i32.const 512) "\23ok 0 a program has 1 to 3584 bytes\0a")
  (data (i32.const 576) "\2eok 0 only version 1 of the format can be read\0a")
  (data (i32.const 640) "\27ok 0 a flag is set that has no meaning\0a")
  (data (i32.const 704) "\28ok 0 a frame has 1 to 4096 instructions\0a")
  (data (i32.const 768) "ok 1\0arom ")
  (data (i32.const 784) "\0aticks ")

  (func $pack (param $at i32) (param $len i32) (result i64)
    (i64.or (i64.shl (i64.extend_i32_u (local.get $at)) (i64.const 32)) (i64.extend_i32_u (local.get $len))))

  (func (export "vc_abi") (result i32) (i32.const 1))
  (func (export "vc_alloc") (param $n i32) (result i32) (local $p i32)
    (local.set $p (global.get $top))
    (if (i32.gt_u (local.get $n) (i32.sub (i32.const 65528) (local.get $p))) (then (return (i32.const 0))))
    (global.set $top (i32.and (i32.add (i32.add (local.get $p) (local.get $n)) (i32.const 7)) (i32.const -8)))
    (local.get $p))
  (func (export "vc_done") (global.set $top (i32.const 16384)))

  ;; 0 if a cartridge is one, else the address of what is wrong. Nothing is both: see the head of this file.
  (func $wrong (param $p i32) (param $n i32) (result i32)
    (if (call $is_wrapped (local.get $p) (local.get $n)) (then
      (if (i32.ne (i32.load8_u offset=2 (local.get $p)) (i32.const 1)) (then (return (i32.const 576))))
      (if (i32.gt_u (i32.load8_u offset=3 (local.get $p)) (i32.const 63)) (then (return (i32.const 640))))
      (if (i32.gt_u (i32.sub (i32.load16_u offset=4 (local.get $p)) (i32.const 1)) (i32.const 4095))
        (then (return (i32.const 704))))
      (local.set $n (i32.sub (local.get $n) (i32.add (i32.const 7) (i32.load8_u offset=6 (local.get $p)))))))
    ;; A title that is longer than what is there makes this a large number.
    (select (i32.const 512) (i32.const 0) (i32.gt_u (i32.sub (local.get $n) (i32.const 1)) (i32.const 3583))))

  (func $is_wrapped (param $p i32) (param $n i32) (result i32)
    (if (i32.lt_u (local.get $n) (i32.const 7)) (then (return (i32.const 0))))
    (i32.eq (i32.load16_u (local.get $p)) (i32.const 0x3843))) ;; "C8"

  ;; Takes a cartridge that is one.
  (func $take (param $p i32) (param $n i32)
    (if (call $is_wrapped (local.get $p) (local.get $n))
      (then
        (memory.copy (i32.const 1024) (local.get $p) (local.get $n))
        (i32.store (i32.const 0) (local.get $n)))
      (else
        (memory.copy (i32.const 1031) (local.get $p) (local.get $n))
        (i32.store (i32.const 1024) (i32.const 0x34013843))
        (i32.store16 (i32.const 1028) (i32.const 15))
        (i32.store8 (i32.const 1030) (i32.const 0))
        (i32.store (i32.const 0) (i32.add (local.get $n) (i32.const 7)))))
    (i32.store (i32.const 8) (i32.const 0)))

  ;; Finds the program and writes the answer of cart/quirks; once, since it reads the whole program.
  (func $index (local $title i32) (local $rom i32) (local $len i32) (local $end i32) (local $digest i64)
    (if (i32.load (i32.const 8)) (then (return)))
    (local.set $title (i32.load8_u (i32.const 1030)))
    (local.set $rom (i32.add (i32.const 1031) (local.get $title)))
    (local.set $len (i32.sub (i32.load (i32.const 0)) (i32.add (i32.const 7) (local.get $title))))
    (i32.store (i32.const 4) (local.get $rom))
    (i32.store (i32.const 8) (local.get $len))
    (local.set $end (i32.add (local.get $rom) (local.get $len)))
    (local.set $digest (i64.const 0xcbf29ce484222325))
    (loop $next
      (local.set $digest (i64.mul (i64.const 0x100000001b3)
        (i64.xor (local.get $digest) (i64.load8_u (local.get $rom)))))
      (local.set $rom (i32.add (local.get $rom) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $rom) (local.get $end))))
    (i64.store (i32.const 8192) (local.get $digest))
    (i32.store16 (i32.const 8200) (local.get $len))
    (i32.store16 (i32.const 8202) (i32.load16_u (i32.const 1028)))
    (i32.store8 (i32.const 8204) (i32.load8_u (i32.const 1027)))
    (memory.copy (i32.const 8205) (i32.const 1030) (i32.add (i32.const 1) (local.get $title))))

  (func (export "vc_born") (param $p i32) (param $n i32) (result i32)
    (if (i32.eqz (local.get $n)) (then (return (i32.const 0))))
    (if (call $wrong (local.get $p) (local.get $n)) (then (return (i32.const 1))))
    (call $take (local.get $p) (local.get $n))
    (i32.const 0))
  (func (export "vc_save") (result i64) (call $pack (i32.const 1024) (i32.load (i32.const 0))))
  (func (export "vc_load") (param $p i32) (param $n i32) (result i32)
    (if (i32.eqz (call $is_wrapped (local.get $p) (local.get $n))) (then (return (i32.const 1))))
    (if (call $wrong (local.get $p) (local.get $n)) (then (return (i32.const 1))))
    (call $take (local.get $p) (local.get $n))
    (i32.const 0))

  (func (export "channel/cart/quirks") (param i32 i32) (result i64)
    (call $index)
    (call $pack (i32.const 8192) (i32.add (i32.const 14) (i32.load8_u (i32.const 1030)))))
  (func (export "channel/cart/rom") (param $p i32) (param $n i32) (result i64)
    (local $offset i32) (local $len i32) (local $rest i32)
    (if (i32.ne (local.get $n) (i32.const 4)) (then (unreachable)))
    (call $index)
    (local.set $offset (i32.load16_u (local.get $p)))
    (local.set $len (i32.load16_u offset=2 (local.get $p)))
    (if (i32.gt_u (local.get $offset) (i32.load (i32.const 8)))
      (then (local.set $offset (i32.load (i32.const 8)))))
    (local.set $rest (i32.sub (i32.load (i32.const 8)) (local.get $offset)))
    (call $pack (i32.add (i32.load (i32.const 4)) (local.get $offset))
      (select (local.get $len) (local.get $rest) (i32.lt_u (local.get $len) (local.get $rest)))))

  ;; Writes a number of at most four digits; answers where the next byte goes.
  (func $put_number (param $at i32) (param $value i32) (result i32) (local $unit i32) (local $from i32)
    (local.set $from (local.get $at))
    (local.set $unit (i32.const 1000))
    (loop $next
      ;; A digit is written unless it is a leading zero.
      (if (i32.or (i32.ge_u (local.get $value) (local.get $unit)) (i32.gt_u (local.get $at) (local.get $from)))
        (then
          (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.div_u (local.get $value) (local.get $unit))))
          (local.set $value (i32.rem_u (local.get $value) (local.get $unit)))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))))
      (local.set $unit (i32.div_u (local.get $unit) (i32.const 10)))
      (br_if $next (local.get $unit)))
    (local.get $at))

  ;; Tests a cartridge: the one it is given, else its own.
  (func (export "vc_test") (param $p i32) (param $n i32) (result i64) (local $what i32) (local $out i32)
    (if (i32.eqz (local.get $n)) (then
      (local.set $p (i32.const 1024))
      (local.set $n (i32.load (i32.const 0)))))
    (local.set $what (call $wrong (local.get $p) (local.get $n)))
    (if (local.get $what) (then
      (return (call $pack (i32.add (local.get $what) (i32.const 1)) (i32.load8_u (local.get $what))))))
    (call $take (local.get $p) (local.get $n))
    (call $index)
    (memory.copy (i32.const 896) (i32.const 768) (i32.const 9))
    (local.set $out (call $put_number (i32.const 905) (i32.load (i32.const 8))))
    (memory.copy (local.get $out) (i32.const 784) (i32.const 7))
    (local.set $out (call $put_number (i32.add (local.get $out) (i32.const 7)) (i32.load16_u (i32.const 1028))))
    (i32.store8 (local.get $out) (i32.const 10))
    (call $pack (i32.const 896) (i32.sub (local.get $out) (i32.const 895))))
)
