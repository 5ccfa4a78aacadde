;; Tries to know how many rows were turned before its own: in memory, in a global, in what memory was filled with.
;; Row: memory i32, global i32, filled i32. Each must be 1 in every row, and whatever rows are run together.
(module
  (memory (export "memory") 64 64 (pagesize 1))
  (data (i32.const 8) "\00\00\00\00")
  (global $count (export "count") (mut i32) (i32.const 0))
  (func (export "turn") (param i32 i32 i32) (result i32 i32 i32)
    (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (memory.fill (i32.const 8) (i32.add (i32.load8_u (i32.const 11)) (i32.const 1)) (i32.const 4))
    (i32.load (i32.const 0)) (global.get $count) (i32.load8_u (i32.const 11))))
