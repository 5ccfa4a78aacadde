//! A host for parts as small as it can be: one body, its channels wired to one another, what it asks of the
//! medium recorded. It knows the ABI (`genesis/PROTOCOL.md`) and nothing of the runtime, so a part that fails
//! here is wrong by itself.
#![allow(
    dead_code,
    reason = "each test binary has a copy and uses what it needs of it"
)]

mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::LazyLock;

use parking_lot::Mutex;
use rules::is_of_the_medium;
pub(crate) use rules::{Links, admit, check_scores};
use wasmtime::{
    AsContextMut, Caller, Config, Engine, Export, Func, Global, Instance, Memory, Module,
    Mutability, Store, Val,
};

/// Fuel of a turn, as the medium gives it when nothing else is said.
pub(crate) const TURN_FUEL: u64 = 1_000_000;

/// What the medium charges for a call to a channel, and for what it copies.
const CALL_FUEL: u64 = 100;
const BYTES_PER_FUEL: u64 = 16;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let mut config = Config::new();
    config.consume_fuel(true);
    config.cranelift_nan_canonicalization(true);
    Engine::new(&config).unwrap()
});

/// Compiled modules by name: compiling is most of what these tests take.
static MODULES: LazyLock<Mutex<BTreeMap<String, Module>>> = LazyLock::new(Mutex::default);

/// The folder of the parts.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../genesis/parts")
}

/// The bytes of a built-in part: `limb/limb-v1` is text that is assembled, `chip8-cpu/chip8-cpu` is not.
pub(crate) fn bytes(name: &str) -> Vec<u8> {
    let text = folder().join(format!("{name}.wat"));
    match std::fs::read_to_string(&text) {
        Ok(text) => wat::parse_str(&text).unwrap_or_else(|error| panic!("{name}: {error}")),
        Err(_) => std::fs::read(folder().join(format!("{name}.wasm")))
            .unwrap_or_else(|error| panic!("{name} is neither text nor binary: {error}")),
    }
}

/// What a body asked of the medium in its last turn: channel and request.
pub(crate) type Effect = (String, Vec<u8>);

struct Part {
    role: String,
    module: Vec<u8>,
    instance: Instance,
    memory: Memory,
    links: Links,
    /// Whether one of its channel functions is running: it is never entered twice.
    running: bool,
    stripped: bool,
}

#[derive(Default)]
struct Host {
    parts: Vec<Part>,
    grants: BTreeSet<String>,
    effects: Vec<Effect>,
    /// What medium/random answers next; not random, so that a screen can be compared.
    random: u64,
    calls: u64,
}

/// One body: sandboxed parts in the order in which they were put in.
pub(crate) struct Body {
    store: Store<Host>,
    /// What the last turn, or test, took.
    pub(crate) fuel: u64,
    /// How many calls between parts and to the medium the last turn made.
    pub(crate) calls: u64,
}

impl Body {
    /// A body without parts that may ask the medium for these channels.
    pub(crate) fn new(grants: &[&str]) -> Self {
        let host = Host {
            grants: grants.iter().map(|&grant| grant.to_owned()).collect(),
            random: 0x9e37_79b9_7f4a_7c15,
            ..Host::default()
        };
        Self {
            store: Store::new(&ENGINE, host),
            fuel: 0,
            calls: 0,
        }
    }

    /// Puts a built-in part in, which begins with an argument.
    pub(crate) fn with(mut self, name: &str, argument: &[u8]) -> Self {
        self.put(name, argument);
        self
    }

    /// Puts a built-in part in under its own name, which begins with an argument.
    pub(crate) fn put(&mut self, name: &str, argument: &[u8]) {
        let role = name.rsplit('/').next().unwrap_or(name);
        self.born(role, &bytes(name), argument).unwrap();
    }

    /// Puts a part in, which begins with an argument.
    ///
    /// # Errors
    /// Whether the module is refused, or refuses the argument.
    pub(crate) fn born(
        &mut self,
        role: &str,
        module: &[u8],
        argument: &[u8],
    ) -> Result<(), String> {
        let at = self.instantiate(role, module)?;
        self.store.set_fuel(TURN_FUEL).unwrap();
        let born = self.store.data().parts[at].instance;
        if let Ok(born) = born.get_typed_func::<(i32, i32), i32>(&mut self.store, "vc_born") {
            let p = self.give(at, argument);
            let refused = born
                .call(&mut self.store, (p, len_i32(argument)))
                .map_err(|error| why(&error))?;
            self.done(at);
            if refused != 0 {
                self.store.data_mut().parts.pop();
                return Err(format!("{role} refused its argument ({refused})"));
            }
        }
        Ok(())
    }

    fn instantiate(&mut self, role: &str, module: &[u8]) -> Result<usize, String> {
        let links = admit(module).map_err(|why| format!("{role}: {why}"))?;
        let key = blake3::hash(module).to_hex().to_string();
        let compiled = {
            let mut modules = MODULES.lock();
            modules
                .entry(key)
                .or_insert_with(|| Module::new(&ENGINE, module).unwrap())
                .clone()
        };
        let at = self.store.data().parts.len();
        let mut imports = Vec::new();
        for import in compiled.imports() {
            let channel = import.name().to_owned();
            let call = Func::wrap(
                &mut self.store,
                move |mut caller: Caller<'_, Host>, p: i32, n: i32| -> wasmtime::Result<i64> {
                    call_out(&mut caller, at, &channel, p, n)
                },
            );
            imports.push(call.into());
        }
        self.store.set_fuel(TURN_FUEL).unwrap();
        let instance = Instance::new(&mut self.store, &compiled, &imports)
            .map_err(|error| format!("{role}: {error}"))?;
        let memory = instance.get_memory(&mut self.store, "memory").unwrap();
        let abi = instance
            .get_typed_func::<(), i32>(&mut self.store, "vc_abi")
            .map_err(|error| why(&error))?;
        assert_eq!(abi.call(&mut self.store, ()).unwrap(), 1, "{role}");
        self.store.data_mut().parts.push(Part {
            role: role.to_owned(),
            module: module.to_owned(),
            instance,
            memory,
            links,
            running: false,
            stripped: false,
        });
        Ok(at)
    }

    /// One turn: a message on a channel. A failed turn changes nothing.
    ///
    /// # Errors
    /// Why it failed.
    pub(crate) fn send(
        &mut self,
        channel: &str,
        contents: &[u8],
    ) -> Result<Option<Vec<u8>>, String> {
        self.send_with(channel, contents, TURN_FUEL)
    }

    /// [`Self::send`] with so much fuel.
    ///
    /// # Errors
    /// Why it failed.
    pub(crate) fn send_with(
        &mut self,
        channel: &str,
        contents: &[u8],
        fuel: u64,
    ) -> Result<Option<Vec<u8>>, String> {
        let before = self.images();
        self.store.data_mut().effects.clear();
        self.store.data_mut().calls = 0;
        self.store.set_fuel(fuel).unwrap();
        let answer = match giver(self.store.data(), channel) {
            Some(at) => call_in(self.store.as_context_mut(), at, channel, contents),
            None => Err(wasmtime::format_err!("no part gives {channel}")),
        };
        self.fuel = fuel - self.store.get_fuel().unwrap();
        self.calls = self.store.data().calls;
        answer.map_err(|error| {
            self.restore(&before);
            self.store.data_mut().effects.clear();
            why(&error)
        })
    }

    /// [`Self::send`] of a text that is answered by a text.
    pub(crate) fn say(&mut self, text: &str) -> String {
        match self.send("main", text.as_bytes()) {
            Ok(answer) => String::from_utf8(answer.unwrap_or_default()).unwrap(),
            Err(why) => format!("fault: {why}"),
        }
    }

    /// What the body asked of the medium in its last turn.
    pub(crate) fn effects(&self) -> &[Effect] {
        &self.store.data().effects
    }

    /// The scores that a part gives contents; on a copy that is thrown away.
    ///
    /// # Errors
    /// That it has no test, or why the test failed.
    pub(crate) fn test(&mut self, role: &str, contents: &[u8]) -> Result<String, String> {
        let mut copy = self.copy();
        let at = copy.at(role);
        let scores = test(&mut copy, at, contents);
        self.fuel = copy.fuel;
        scores
    }

    /// A body of the same parts in the same states.
    pub(crate) fn copy(&mut self) -> Self {
        let mut copy = Self::new(&[]);
        copy.store
            .data_mut()
            .grants
            .clone_from(&self.store.data().grants);
        copy.store.data_mut().random = self.store.data().random;
        let images = self.images();
        for (part, image) in self.store.data().parts.iter().zip(images) {
            let at = copy.instantiate(&part.role, &part.module).unwrap();
            copy.store.data_mut().parts[at].stripped = part.stripped;
            copy.restore_one(at, &image);
        }
        copy
    }

    /// Replaces a part by a module that takes over its state: test, save, load, replace; all or nothing.
    ///
    /// # Errors
    /// Why the old part stays.
    pub(crate) fn swap(&mut self, role: &str, module: &[u8]) -> Result<(), String> {
        let old = self.at(role);
        let mut trial = Self::new(&[]);
        let at = trial.instantiate(role, module)?;
        let scores = test(&mut trial, at, &[])?;
        if !scores.starts_with("ok 1\n") {
            return Err(scores);
        }
        let save = self.save(role);
        let running = self.store.data().parts.len();
        let new = self.instantiate(role, module)?;
        assert_eq!(new, running);
        if self.load_at(new, &save) != 0 {
            // The instance stays in the store; nothing leads to it.
            self.store.data_mut().parts.pop();
            return Err(format!("{role} refused the old state"));
        }
        // Imports know their part by its index, so the new one keeps its own and the old one is hidden.
        self.store.data_mut().parts[old].stripped = true;
        "(replaced)".clone_into(&mut self.store.data_mut().parts[old].role);
        Ok(())
    }

    /// Lets the judge in the body try what [`Self::swap`] would adopt; the body itself does not change.
    ///
    /// # Errors
    /// Why it came to no verdict.
    pub(crate) fn judge(&mut self, role: &str, module: &[u8]) -> Result<String, String> {
        let mut copy = self.copy();
        let mut trial = Self::new(&[]);
        let at = trial.instantiate(role, module)?;
        let praise = test(&mut trial, at, &[])?;
        copy.swap(role, module)?;
        let verdict = copy.send("judge", praise.as_bytes())?;
        let verdict = String::from_utf8(verdict.unwrap_or_default()).unwrap();
        check_scores(&verdict);
        Ok(verdict)
    }

    /// Takes a part out; what it knows travels with it, for [`Self::put_back`].
    pub(crate) fn strip(&mut self, role: &str) {
        let at = self.at(role);
        self.store.data_mut().parts[at].stripped = true;
    }

    /// Puts a part back that was taken out.
    pub(crate) fn put_back(&mut self, role: &str) {
        let parts = &mut self.store.data_mut().parts;
        let part = parts.iter_mut().find(|part| part.role == role).unwrap();
        part.stripped = false;
    }

    /// What a part saves.
    pub(crate) fn save(&mut self, role: &str) -> Vec<u8> {
        let at = self.at(role);
        self.store.set_fuel(TURN_FUEL).unwrap();
        let instance = self.store.data().parts[at].instance;
        let save = instance
            .get_typed_func::<(), i64>(&mut self.store, "vc_save")
            .unwrap();
        let r = save.call(&mut self.store, ()).unwrap();
        let saved = taken(&self.store, self.store.data(), at, r).unwrap();
        self.done(at);
        saved.unwrap_or_default()
    }

    /// What a part says to a state it should take over; 0 is yes.
    pub(crate) fn load(&mut self, role: &str, save: &[u8]) -> i32 {
        let at = self.at(role);
        self.load_at(at, save)
    }

    fn load_at(&mut self, at: usize, save: &[u8]) -> i32 {
        self.store.set_fuel(TURN_FUEL).unwrap();
        let p = self.give(at, save);
        let instance = self.store.data().parts[at].instance;
        let load = instance
            .get_typed_func::<(i32, i32), i32>(&mut self.store, "vc_load")
            .unwrap();
        let refused = load.call(&mut self.store, (p, len_i32(save))).unwrap();
        self.done(at);
        refused
    }

    fn at(&self, role: &str) -> usize {
        let parts = &self.store.data().parts;
        parts
            .iter()
            .position(|part| part.role == role && !part.stripped)
            .unwrap_or_else(|| panic!("no part {role}"))
    }

    fn give(&mut self, at: usize, bytes: &[u8]) -> i32 {
        put_in(self.store.as_context_mut(), at, bytes).unwrap()
    }

    fn done(&mut self, at: usize) {
        done(self.store.as_context_mut(), at).unwrap();
    }

    fn images(&mut self) -> Vec<Image> {
        let parts = self.store.data().parts.iter();
        let parts: Vec<_> = parts.map(|part| (part.instance, part.memory)).collect();
        let mut images = Vec::new();
        for (instance, memory) in parts {
            let globals = globals(&mut self.store, instance);
            let globals = globals
                .into_iter()
                .map(|global| global.get(&mut self.store));
            images.push(Image {
                globals: globals.collect(),
                memory: memory.data(&self.store).to_vec(),
            });
        }
        images
    }

    fn restore(&mut self, images: &[Image]) {
        for (at, image) in images.iter().enumerate() {
            self.restore_one(at, image);
            self.store.data_mut().parts[at].running = false;
        }
    }

    fn restore_one(&mut self, at: usize, image: &Image) {
        let part = &self.store.data().parts[at];
        let (instance, memory) = (part.instance, part.memory);
        let data = memory.data_mut(&mut self.store);
        data.copy_from_slice(&image.memory);
        let globals = globals(&mut self.store, instance);
        for (global, value) in globals.into_iter().zip(&image.globals) {
            global.set(&mut self.store, *value).unwrap();
        }
    }
}

/// What a part is between two turns; every mutable global is exported, so nothing of it is out of reach.
struct Image {
    memory: Vec<u8>,
    globals: Vec<Val>,
}

fn globals(store: &mut Store<Host>, instance: Instance) -> Vec<Global> {
    let exports = instance.exports(&mut *store);
    let globals: Vec<_> = exports.filter_map(Export::into_global).collect();
    let is_mutable = |global: &Global| global.ty(&*store).mutability() == Mutability::Var;
    globals.into_iter().filter(is_mutable).collect()
}

fn test(body: &mut Body, at: usize, contents: &[u8]) -> Result<String, String> {
    body.store.set_fuel(TURN_FUEL).unwrap();
    let instance = body.store.data().parts[at].instance;
    let test = instance
        .get_typed_func::<(i32, i32), i64>(&mut body.store, "vc_test")
        .map_err(|_| "untestable: it has no vc_test".to_owned())?;
    let p = body.give(at, contents);
    let r = test
        .call(&mut body.store, (p, len_i32(contents)))
        .map_err(|error| why(&error))?;
    let scores = taken(&body.store, body.store.data(), at, r)?.unwrap_or_default();
    body.done(at);
    body.fuel = TURN_FUEL - body.store.get_fuel().unwrap();
    let scores = String::from_utf8(scores).map_err(|error| error.to_string())?;
    check_scores(&scores);
    Ok(scores)
}

fn giver(host: &Host, channel: &str) -> Option<usize> {
    host.parts
        .iter()
        .position(|part| !part.stripped && part.links.gives.contains(channel))
}

/// A part calls a channel.
fn call_out(
    caller: &mut Caller<'_, Host>,
    from: usize,
    channel: &str,
    p: i32,
    n: i32,
) -> wasmtime::Result<i64> {
    caller.data_mut().calls += 1;
    let request = read(&*caller, caller.data(), from, p, n)?;
    charge(caller, CALL_FUEL + request.len() as u64 / BYTES_PER_FUEL)?;
    let answer = if is_of_the_medium(channel) {
        Some(ask_the_medium(caller.data_mut(), channel, request)?)
    } else {
        let Some(at) = giver(caller.data(), channel) else {
            wasmtime::bail!("unmet need {channel}");
        };
        call_in(caller.as_context_mut(), at, channel, &request)?
    };
    let Some(answer) = answer else { return Ok(0) };
    charge(caller, answer.len() as u64 / BYTES_PER_FUEL)?;
    let q = put_in(caller.as_context_mut(), from, &answer)?;
    Ok(packed(q, answer.len()))
}

fn charge(caller: &mut Caller<'_, Host>, fuel: u64) -> wasmtime::Result<()> {
    match caller.get_fuel()?.checked_sub(fuel) {
        Some(left) => caller.set_fuel(left),
        None => wasmtime::bail!("all fuel consumed by calls"),
    }
}

fn ask_the_medium(host: &mut Host, channel: &str, request: Vec<u8>) -> wasmtime::Result<Vec<u8>> {
    if channel == "medium/random" {
        host.random = host
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        return Ok((host.random >> 13).to_le_bytes().to_vec());
    }
    if !host.grants.contains(channel) {
        wasmtime::bail!("denied: {channel}");
    }
    host.effects.push((channel.to_owned(), request));
    Ok(Vec::new())
}

/// A channel function of a part is called, from outside or by another part.
fn call_in(
    mut store: impl AsContextMut<Data = Host>,
    at: usize,
    channel: &str,
    input: &[u8],
) -> wasmtime::Result<Option<Vec<u8>>> {
    let mut store = store.as_context_mut();
    let part = &mut store.data_mut().parts[at];
    if part.running {
        wasmtime::bail!("cycle: {} is running already", part.role);
    }
    part.running = true;
    let instance = part.instance;
    let p = put_in(&mut store, at, input)?;
    let name = format!("channel/{channel}");
    let function = instance.get_typed_func::<(i32, i32), i64>(&mut store, &name)?;
    let r = function.call(&mut store, (p, len_i32(input)))?;
    let answer = taken(&store, store.data(), at, r).map_err(wasmtime::Error::msg)?;
    done(&mut store, at)?;
    store.data_mut().parts[at].running = false;
    Ok(answer)
}

fn put_in(
    mut store: impl AsContextMut<Data = Host>,
    at: usize,
    bytes: &[u8],
) -> wasmtime::Result<i32> {
    let mut store = store.as_context_mut();
    let part = &store.data().parts[at];
    let (instance, memory) = (part.instance, part.memory);
    let alloc = instance.get_typed_func::<i32, i32>(&mut store, "vc_alloc")?;
    let p = alloc.call(&mut store, len_i32(bytes))?;
    if p == 0 {
        wasmtime::bail!("too-large: {} bytes", bytes.len());
    }
    memory.write(&mut store, usize::try_from(p.cast_unsigned())?, bytes)?;
    Ok(p)
}

fn done(mut store: impl AsContextMut<Data = Host>, at: usize) -> wasmtime::Result<()> {
    let mut store = store.as_context_mut();
    let instance = store.data().parts[at].instance;
    let done = instance.get_typed_func::<(), ()>(&mut store, "vc_done")?;
    done.call(&mut store, ())
}

fn read(
    store: &impl wasmtime::AsContext,
    host: &Host,
    at: usize,
    p: i32,
    n: i32,
) -> wasmtime::Result<Vec<u8>> {
    let p = usize::try_from(p.cast_unsigned())?;
    let n = usize::try_from(n.cast_unsigned())?;
    let data = host.parts[at].memory.data(store);
    match data.get(p..p.saturating_add(n)) {
        Some(bytes) => Ok(bytes.to_vec()),
        None => wasmtime::bail!("{n} bytes at {p} are outside of the memory"),
    }
}

/// The bytes that an answer points to; none for 0.
fn taken(
    store: &impl wasmtime::AsContext,
    host: &Host,
    at: usize,
    answer: i64,
) -> Result<Option<Vec<u8>>, String> {
    let answer = answer.cast_unsigned();
    let [p, n] = [answer >> 32, answer & 0xffff_ffff]
        .map(|half| u32::try_from(half).unwrap_or_default().cast_signed());
    if answer == 0 {
        return Ok(None);
    }
    read(store, host, at, p, n)
        .map(Some)
        .map_err(|error| error.to_string())
}

fn packed(p: i32, len: usize) -> i64 {
    (i64::from(p) << 32) | i64::try_from(len).unwrap()
}

fn len_i32(bytes: &[u8]) -> i32 {
    i32::try_from(bytes.len()).unwrap()
}

fn why(error: &wasmtime::Error) -> String {
    error.root_cause().to_string()
}
