//! The same table inside the built modules; fuel, sleep by copying memory, moves between the two.

mod common;

use common::table;
use wasmtime::{Config, Engine, Instance, Linker, Memory, Module, Store, TypedFunc, Val};

/// Fuel of a call in these tests; a turn on a node has 1,000,000.
const FUEL: u64 = 50_000_000;

struct Part {
    store: Store<Vec<String>>,
    instance: Instance,
    memory: Memory,
}

fn engine() -> Engine {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .cranelift_nan_canonicalization(true);
    Engine::new(&config).unwrap()
}

fn module(engine: &Engine, name: &str) -> Module {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/");
    Module::from_file(engine, format!("{path}{name}")).unwrap()
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
        self.store.set_fuel(FUEL).unwrap();
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
    let engine = engine();
    for name in ["lisp.wasm", "lisp-large.wasm"] {
        let module = module(&engine, name);
        let mut wrong = String::new();
        for (program, answer) in table() {
            let found = Part::new(&module).eval(&program);
            if found != answer {
                wrong += &format!("{program}\n  answers {found}\n  not     {answer}\n");
            }
        }
        assert!(wrong.is_empty(), "{name}: {wrong}");
    }
}

#[test]
fn the_modules_are_as_the_abi_wants_them() {
    let engine = engine();
    for (name, max) in [("lisp.wasm", 1), ("lisp-large.wasm", 256)] {
        let module = module(&engine, name);
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
    let engine = engine();
    for name in ["lisp.wasm", "lisp-large.wasm"] {
        let module = module(&engine, name);
        let mut part = Part::new(&module);
        part.eval("(define x 1)");
        let answer = part.eval("(define l '()) (let loop () (set! l (cons 1 l)) (loop))");
        assert!(answer.starts_with("error: out of memory: "), "{answer}");
        assert_eq!(part.eval("(set! l '()) x"), "1");
        let answer = part.eval("(define (deep n) (+ 1 (deep n))) (deep 1)");
        assert!(answer.starts_with("error: out of memory: "), "{answer}");
        assert_eq!(part.eval("x"), "1");
        assert_eq!(part.eval("(guard (e (#t 'caught)) (deep 1))"), "caught");
        assert!(part.tell("text/eval", b"(let loop () (loop))").is_err());
    }
}

#[test]
fn figures() {
    let engine = engine();
    for name in ["lisp.wasm", "lisp-large.wasm"] {
        let module = module(&engine, name);
        let mut part = Part::new(&module);
        let fresh = part.pages();
        part.born("(define n 0) (on 'main (lambda (msg from) (set! n (+ n 1)) n))");
        let asleep = part.pages();
        part.tell("medium/start", b"").unwrap();
        part.tell("main", b"hello").unwrap();
        part.tell("main", b"hello").unwrap();
        println!(
            "{name}: pages fresh {fresh} born {asleep} running {}",
            part.pages()
        );
        println!("  fuel of a counted message {}", {
            part.store.set_fuel(FUEL).unwrap();
            let before = FUEL;
            part.tell("main", b"hello").unwrap();
            before - part.store.get_fuel().unwrap()
        });
        let mut part = Part::new(&module);
        let first = part.fuel_of("(cons '4 '(9 16 25 36 49))");
        println!(
            "  fuel of (cons '4 ...): {first}, then {}",
            part.fuel_of("(cons '4 '(9 16 25 36 49))")
        );
        part.eval("(define (fib n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2)))))");
        part.fuel_of("(fib 15)");
        println!("  fuel of (fib 15): {}", part.fuel_of("(fib 15)"));
    }
}
