;; A random walk on the square lattice: each tick one step to one of the four neighbours.
;; Row: x i32, y i32.
(module
  (import "row" "random" (func $random (result i64)))
  (func (export "turn") (param $x i32) (param $y i32) (result i32 i32)
    (local $draw i32) (local $step i32)
    (local.set $draw (i32.wrap_i64 (call $random)))
    ;; One bit says which way, another along which axis.
    (local.set $step (i32.sub (i32.and (local.get $draw) (i32.const 2)) (i32.const 1)))
    (if (i32.and (local.get $draw) (i32.const 1))
      (then (local.set $x (i32.add (local.get $x) (local.get $step))))
      (else (local.set $y (i32.add (local.get $y) (local.get $step)))))
    (local.get $x) (local.get $y)))
