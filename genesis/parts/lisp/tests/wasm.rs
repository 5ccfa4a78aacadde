//! The same table inside the built modules; fuel, sleep by copying memory, moves between the two.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::unwrap_used,
    reason = "a test may end with a panic"
)]

mod common;

use std::sync::OnceLock;

use common::table;
use wasmtime::{Config, Engine, Instance, Linker, Memory, Module, Store, TypedFunc, Val};

/// Fuel of a call in these tests; a turn on a node has 1,000,000.
const FUEL: u64 = 50_000_000;

struct Part {
    store: Store<Vec<String>>,
    instance: Instance,
    memory: Memory,
    fuel: u64,
}

/// Both modules, small and large, compiled once.
fn modules() -> &'static [(&'static str, Module); 2] {
    static MODULES: OnceLock<[(&str, Module); 2]> = OnceLock::new();
    MODULES.get_or_init(|| {
        let mut config = Config::new();
        config
            .consume_fuel(true)
            .cranelift_nan_canonicalization(true);
        let engine = Engine::new(&config).unwrap();
        ["lisp.wasm", "lisp-large.wasm"].map(|name| {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/");
            (
                name,
                Module::from_file(&engine, format!("{path}{name}")).unwrap(),
            )
        })
    })
}

impl Part {
    fn new(module: &Module) -> Self {
        let mut linker: Linker<Vec<String>> = Linker::new(module.engine());
        for import in module.imports() {
            assert_eq!(import.module(), "channel");
            let name = import.name().to_owned();
            let ty = import.ty().unwrap_func().clone();
            linker
                .func_new(
                    "channel",
                    import.name(),
                    ty,
                    move |mut caller, arguments, answers| {
                        let (Val::I32(ptr), Val::I32(len)) = (&arguments[0], &arguments[1]) else {
                            unreachable!()
                        };
                        let (ptr, len) = (*ptr as usize, *len as usize);
                        let memory = caller.get_export("memory").unwrap().into_memory().unwrap();
                        let request = memory.data(&caller)[ptr..ptr + len].to_vec();
                        let answer = match name.as_str() {
                            "medium/context" => vec![0; 176],
                            "medium/random" | "medium/send" => 5_u64.to_le_bytes().to_vec(),
                            "medium/named" | "medium/keep" => 3_u32.to_le_bytes().to_vec(),
                            _ => vec![],
                        };
                        let text = String::from_utf8_lossy(&request).into_owned();
                        caller.data_mut().push(format!("{name} {text:?}"));
                        answers[0] = Val::I64(0);
                        if !answer.is_empty() {
                            let alloc = caller.get_export("vc_alloc").unwrap().into_func().unwrap();
                            let alloc: TypedFunc<u32, u32> = alloc.typed(&caller).unwrap();
                            let at = alloc.call(&mut caller, answer.len() as u32)?;
                            memory.write(&mut caller, at as usize, &answer).unwrap();
                            answers[0] = Val::I64(i64::from(at) << 32 | answer.len() as i64);
                        }
                        Ok(())
                    },
                )
                .unwrap();
        }
        let mut store = Store::new(module.engine(), Vec::new());
        store.set_fuel(FUEL).unwrap();
        let instance = linker.instantiate(&mut store, module).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        Self {
            store,
            instance,
            memory,
            fuel: FUEL,
        }
    }

    fn function<P: wasmtime::WasmParams, R: wasmtime::WasmResults>(
        &mut self,
        name: &str,
    ) -> TypedFunc<P, R> {
        self.instance.get_typed_func(&mut self.store, name).unwrap()
    }

    fn lay(&mut self, bytes: &[u8]) -> Option<(u32, u32)> {
        let alloc: TypedFunc<u32, u32> = self.function("vc_alloc");
        let at = alloc.call(&mut self.store, bytes.len() as u32).unwrap();
        if at == 0 {
            return None;
        }
        self.memory
            .write(&mut self.store, at as usize, bytes)
            .unwrap();
        Some((at, bytes.len() as u32))
    }

    fn done(&mut self) {
        let done: TypedFunc<(), ()> = self.function("vc_done");
        done.call(&mut self.store, ()).unwrap();
    }

    fn bytes(&self, packed: u64) -> Vec<u8> {
        let (at, len) = ((packed >> 32) as usize, packed as u32 as usize);
        self.memory.data(&self.store)[at..at + len].to_vec()
    }

    /// A message to a channel: its answer, or nothing; an error if the turn failed.
    fn tell(&mut self, channel: &str, message: &[u8]) -> wasmtime::Result<Option<String>> {
        self.store.set_fuel(self.fuel).unwrap();
        let Some(place) = self.lay(message) else {
            return Ok(Some("too-large".to_owned()));
        };
        let turn: TypedFunc<(u32, u32), u64> = self.function(&format!("channel/{channel}"));
        let answer = turn.call(&mut self.store, place)?;
        let text = (answer != 0).then(|| String::from_utf8_lossy(&self.bytes(answer)).into_owned());
        self.done();
        Ok(text)
    }

    fn eval(&mut self, program: &str) -> String {
        self.tell("text/eval", program.as_bytes()).unwrap().unwrap()
    }

    fn fuel_of(&mut self, program: &str) -> u64 {
        self.eval(program);
        FUEL - self.store.get_fuel().unwrap()
    }

    fn born(&mut self, program: &str) {
        let place = self.lay(program.as_bytes()).unwrap();
        let born: TypedFunc<(u32, u32), i32> = self.function("vc_born");
        assert_eq!(born.call(&mut self.store, place).unwrap(), 0);
        self.done();
    }

    fn save(&mut self) -> Vec<u8> {
        let save: TypedFunc<(), u64> = self.function("vc_save");
        let saved = save.call(&mut self.store, ()).unwrap();
        let state = self.bytes(saved);
        self.done();
        state
    }

    fn load(&mut self, state: &[u8]) -> bool {
        let Some(place) = self.lay(state) else {
            return false;
        };
        let load: TypedFunc<(u32, u32), i32> = self.function("vc_load");
        let outcome = load.call(&mut self.store, place).unwrap();
        self.done();
        outcome == 0
    }

    /// Pages of 4 KiB that are not all zeros.
    fn pages(&self) -> usize {
        self.memory
            .data(&self.store)
            .chunks(4096)
            .filter(|page| page.iter().any(|b| *b != 0))
            .count()
    }
}

#[test]
fn the_table_holds_in_both_modules() {
    for (name, module) in modules() {
        let mut wrong = String::new();
        for (program, answer) in table() {
            let found = Part::new(module).eval(&program);
            if found != answer {
                wrong = format!("{wrong}{program}\n  answers {found}\n  not     {answer}\n");
            }
        }
        assert!(wrong.is_empty(), "{name}: {wrong}");
    }
}

#[test]
fn the_modules_are_as_the_abi_wants_them() {
    for ((name, module), max) in modules().iter().zip([1, 256]) {
        let memory = module.get_export("memory").unwrap();
        let memory = memory.unwrap_memory();
        assert_eq!(
            (memory.minimum(), memory.maximum()),
            (1, Some(max)),
            "{name}"
        );
        let exports: Vec<_> = module
            .exports()
            .map(|export| export.name().to_owned())
            .collect();
        let channels = exports.iter().filter(|e| e.starts_with("channel/"));
        let counted = channels
            .filter(|e| !e.starts_with("channel/medium/"))
            .count();
        assert!(counted <= 8, "{name}: {exports:?}");
    }
}

#[test]
fn an_endless_loop_ends_with_the_fuel_and_endless_allocation_with_the_memory() {
    for (_, module) in modules() {
        let mut part = Part::new(module);
        part.fuel = 100_000_000_000; // filling 16 MiB takes that many steps
        part.eval("(define x 1)");
        let answer = part.eval("(define l '()) (let loop () (set! l (cons 1 l)) (loop))");
        assert!(answer.starts_with("error: out of memory: "), "{answer}");
        assert_eq!(part.eval("(set! l '()) x"), "1");
        let answer = part.eval("(define (deep n) (+ 1 (deep n))) (deep 1)");
        assert!(answer.starts_with("error: out of memory: "), "{answer}");
        assert_eq!(part.eval("x"), "1");
        assert_eq!(part.eval("(guard (e (#t 'caught)) (deep 1))"), "caught");
        part.fuel = FUEL;
        assert!(part.tell("text/eval", b"(let loop () (loop))").is_err());
    }
}

#[test]
fn a_copy_of_the_memory_keeps_what_was_defined() {
    for (name, module) in modules() {
        let mut part = Part::new(module);
        part.eval("(define xs (cons '4 '(9 16 25 36 49)))");
        let image = part.memory.data(&part.store).to_vec();
        let mut woken = Part::new(module);
        let missing = image.len() - woken.memory.data_size(&woken.store);
        woken
            .memory
            .grow(&mut woken.store, (missing / 65536) as u64)
            .unwrap();
        woken.memory.write(&mut woken.store, 0, &image).unwrap();
        assert_eq!(woken.eval("xs"), "(4 9 16 25 36 49)", "{name}");
    }
}

#[test]
fn a_program_moves_from_small_to_large_and_back() {
    let [(_, small), (_, large)] = modules();
    let mut part = Part::new(small);
    part.eval("(define n 40) (define (up) (set! n (+ n 1)) n) (on 'main (lambda (m from) (up)))");
    assert_eq!(part.tell("main", b"").unwrap().unwrap(), "41");
    let mut bigger = Part::new(large);
    assert!(bigger.load(&part.save()));
    assert_eq!(bigger.tell("main", b"").unwrap().unwrap(), "42");
    bigger.eval("(define big (make-vector 100000 7))");
    assert_eq!(bigger.eval("(vector-length big)"), "100000");
    let mut fresh = Part::new(small);
    assert!(!fresh.load(&bigger.save()), "what does not fit is refused");
    assert_eq!(fresh.eval("(+ 1 1)"), "2");
    bigger.eval("(set! big #f)");
    assert!(fresh.load(&bigger.save()));
    assert_eq!(fresh.tell("main", b"").unwrap().unwrap(), "43");
}

#[test]
fn a_born_program_runs_in_its_first_turn_and_has_effects() {
    let (_, module) = &modules()[0];
    let mut part = Part::new(module);
    part.born("(emit 'hello) (define n 0) (on 'main (lambda (msg from) (send from msg) (set! n (+ n 1)) n))");
    assert!(part.store.data().is_empty());
    assert_eq!(part.tell("medium/start", b"").unwrap(), None);
    assert_eq!(part.tell("main", b"hi").unwrap().unwrap(), "1");
    assert_eq!(part.tell("main", b"hi").unwrap().unwrap(), "2");
    let calls = part.store.data();
    assert_eq!(calls[0], "medium/emit \"hello\"");
    assert!(calls[1].contains("mainhi"), "{calls:?}");
    let mut broken = Part::new(module);
    broken.born("(car 5)");
    assert!(
        broken.tell("medium/start", b"").is_err(),
        "nobody would read the error"
    );
}

#[test]
fn a_small_program_touches_few_pages() {
    for (name, module) in modules() {
        let mut part = Part::new(module);
        part.born("(define n 0) (on 'main (lambda (msg from) (set! n (+ n 1)) n))");
        part.tell("medium/start", b"").unwrap();
        for _ in 0..300 {
            part.tell("main", b"hello").unwrap();
        }
        let pages = part.pages();
        let fuel = part.fuel_of("(cons '4 '(9 16 25 36 49))");
        println!("{name}: {pages} pages; (cons '4 ...) {fuel} fuel");
        assert!(pages <= 8, "{name}: {pages}");
        assert!(fuel < 50_000, "{name}: {fuel}");
    }
}

#[test]
fn a_program_is_tested_by_reading_it() {
    let (_, module) = &modules()[0];
    for (program, scores) in [
        ("(define x 1) x", "ok 1\nforms 2\n"),
        ("", "ok 1\nforms 0\n"),
        ("(define x", "ok 0 read: unfinished, from byte 0\n"),
    ] {
        let mut part = Part::new(module);
        let place = part.lay(program.as_bytes()).unwrap();
        let test: TypedFunc<(u32, u32), u64> = part.function("vc_test");
        let answer = test.call(&mut part.store, place).unwrap();
        assert_eq!(
            String::from_utf8(part.bytes(answer)).unwrap(),
            scores,
            "{program}"
        );
    }
}
