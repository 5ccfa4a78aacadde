;; An epidemic among well-mixed agents (Kermack, McKendrick 1927, in discrete time).
;; Row: state i32 (0 susceptible, 1 infected, 2 recovered), since i64 (the tick of its last change).
;; Parameters: 0 the probability that a susceptible is infected in this tick, 1 that an infected recovers,
;; 2 the infection fatality ratio, applied when the infection ends.
(module
  (import "row" "random" (func $random (result i64)))
  (import "row" "tick" (func $tick (result i64)))
  (import "row" "parameter" (func $parameter (param i32) (result f64)))
  (import "row" "die" (func $die))
  (import "row" "sleep" (func $sleep))
  ;; Whether something of this probability happens: 53 bits of a random number, as a number in [0, 1).
  (func $happens (param $probability f64) (result i32)
    (f64.lt
      (f64.mul (f64.convert_i64_u (i64.shr_u (call $random) (i64.const 11))) (f64.const 0x1p-53))
      (local.get $probability)))
  (func (export "turn") (param $state i32) (param $since i64) (result i32 i64)
    (block $stays
      (if (i32.eq (local.get $state) (i32.const 2)) (then (br $stays)))
      (br_if $stays (i32.eqz (call $happens (call $parameter (local.get $state)))))
      (local.set $state (i32.add (local.get $state) (i32.const 1)))
      (local.set $since (call $tick))
      (if (i32.eq (local.get $state) (i32.const 2))
        (then
          (call $sleep) ;; nothing happens to it any more
          (if (call $happens (call $parameter (i32.const 2))) (then (call $die))))))
    (local.get $state) (local.get $since)))
