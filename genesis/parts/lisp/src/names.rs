//! The names that the part knows: they take no room in the heap.
//!
//! A name's number is part of a saved state: append to the end of each list, never reorder.

/// Declares an enum of names with their spelling and, for procedures, how many arguments they take.
macro_rules! names {
    ($(#[$doc:meta])* $type:ident, $texts:ident: $($name:ident $text:literal $min:literal $max:literal),* $(,)?) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub(crate) enum $type { $($name),* }
        impl $type {
            /// How many there are.
            pub(crate) const COUNT: usize = [$($text),*].len();
            const ALL: &'static [Self] = &[$(Self::$name),*];
            /// The name of this number.
            pub(crate) fn from_number(number: u32) -> Option<Self> {
                Self::ALL.get(number as usize).copied()
            }
        }
        const $texts: &str = concat!($($text, " "),*);
        impl $type {
            /// The least and the greatest number of arguments, of four bits each.
            #[allow(dead_code, reason = "forms look at their shape themselves")]
            const ARITIES: &'static [u8] = &[$($min << 4 | $max),*];
        }
    };
}

names! {
    /// The procedures that are built in. 15 arguments at most means: any number.
    Builtin, BUILTIN_TEXTS:
    Cons "cons" 2 2, Car "car" 1 1, Cdr "cdr" 1 1, SetCar "set-car!" 2 2, SetCdr "set-cdr!" 2 2,
    Caar "caar" 1 1, Cadr "cadr" 1 1, Cdar "cdar" 1 1, Cddr "cddr" 1 1, Caddr "caddr" 1 1,
    Cdddr "cdddr" 1 1, Cadddr "cadddr" 1 1, List "list" 0 15, ListStar "cons*" 1 15,
    Length "length" 1 1, Append "append" 0 15, Reverse "reverse" 1 1, ListTail "list-tail" 2 2,
    ListRef "list-ref" 2 2, ListCopy "list-copy" 1 1, LastPair "last-pair" 1 1,
    Memq "memq" 2 2, Memv "memv" 2 2, Member "member" 2 2, Assq "assq" 2 2, Assv "assv" 2 2,
    Assoc "assoc" 2 2, IsNull "null?" 1 1, IsPair "pair?" 1 1, IsList "list?" 1 1,
    Iota "iota" 1 3, MakeList "make-list" 1 2, Delete "delete" 2 2,
    IsEq "eq?" 2 2, IsEqv "eqv?" 2 2, IsEqual "equal?" 2 2, Not "not" 1 1, IsBoolean "boolean?" 1 1,
    Add "+" 0 15, Multiply "*" 0 15, Subtract "-" 1 15, Divide "/" 1 15, NumEq "=" 1 15,
    Less "<" 1 15, Greater ">" 1 15, LessEq "<=" 1 15, GreaterEq ">=" 1 15,
    Quotient "quotient" 2 2, Remainder "remainder" 2 2, Modulo "modulo" 2 2, Abs "abs" 1 1,
    Min "min" 1 15, Max "max" 1 15, Gcd "gcd" 0 15, Lcm "lcm" 0 15, Expt "expt" 2 2,
    Square "square" 1 1, IsZero "zero?" 1 1, IsPositive "positive?" 1 1, IsNegative "negative?" 1 1,
    IsOdd "odd?" 1 1, IsEven "even?" 1 1, IsNumber "number?" 1 1, IsInteger "integer?" 1 1,
    NumberToString "number->string" 1 2, StringToNumber "string->number" 1 2,
    BitAnd "bitwise-and" 0 15, BitOr "bitwise-or" 0 15, BitXor "bitwise-xor" 0 15,
    BitNot "bitwise-not" 1 1, Shift "arithmetic-shift" 2 2, ExactSqrt "exact-integer-sqrt" 1 1,
    IsChar "char?" 1 1, CharToInteger "char->integer" 1 1, IntegerToChar "integer->char" 1 1,
    CharEq "char=?" 1 15, CharLess "char<?" 1 15, CharGreater "char>?" 1 15,
    CharUp "char-upcase" 1 1, CharDown "char-downcase" 1 1, IsAlphabetic "char-alphabetic?" 1 1,
    IsNumeric "char-numeric?" 1 1, IsWhitespace "char-whitespace?" 1 1, DigitValue "digit-value" 1 1,
    IsString "string?" 1 1, StringOf "string" 0 15, MakeString "make-string" 1 2,
    StringLength "string-length" 1 1, StringRef "string-ref" 2 2, Substring "substring" 2 3,
    StringAppend "string-append" 0 15, StringEq "string=?" 1 15, StringLess "string<?" 1 15,
    StringGreater "string>?" 1 15, StringToList "string->list" 1 3, ListToString "list->string" 1 1,
    StringToSymbol "string->symbol" 1 1, SymbolToString "symbol->string" 1 1,
    StringCopy "string-copy" 1 3, StringUp "string-upcase" 1 1, StringDown "string-downcase" 1 1,
    StringContains "string-contains" 2 2, StringJoin "string-join" 1 2, StringSplit "string-split" 2 2,
    IsSymbol "symbol?" 1 1, IsVector "vector?" 1 1, Vector "vector" 0 15, MakeVector "make-vector" 1 2,
    VectorLength "vector-length" 1 1, VectorRef "vector-ref" 2 2, VectorSet "vector-set!" 3 3,
    VectorToList "vector->list" 1 3, ListToVector "list->vector" 1 1, VectorFill "vector-fill!" 2 2,
    VectorMap "vector-map" 2 15, VectorForEach "vector-for-each" 2 15, VectorAppend "vector-append" 0 15,
    IsProcedure "procedure?" 1 1, Apply "apply" 2 15, Map "map" 2 15, ForEach "for-each" 2 15,
    Filter "filter" 2 2, FoldLeft "fold-left" 3 3, FoldRight "fold-right" 3 3, Reduce "reduce" 3 3,
    CallCc "call/cc" 1 1, CallCcLong "call-with-current-continuation" 1 1, Values "values" 0 15,
    CallWithValues "call-with-values" 2 2, Force "force" 1 1, MakePromise "make-promise" 1 1,
    Error "error" 1 15, Raise "raise" 1 1, RaiseContinuable "raise-continuable" 1 1,
    WithHandler "with-exception-handler" 2 2, IsErrorObject "error-object?" 1 1,
    ErrorMessage "error-object-message" 1 1, ErrorIrritants "error-object-irritants" 1 1,
    ReportString "condition/report-string" 1 1, Display "display" 1 1, Write "write" 1 1,
    Newline "newline" 0 0, Read "read" 1 1, Eval "eval" 1 2, IsEof "eof-object?" 1 1,
    EofObject "eof-object" 0 0, Void "void" 0 15,
    On "on" 2 2, Send "send" 2 15, SendToChannel "send-to-channel" 3 15, Ask "ask" 4 4,
    After "after" 2 2, Spawn "spawn" 1 5, Fork "fork" 0 0, Emit "emit" 1 1, Random "random" 1 1,
    Now "now" 0 0, SelfId "self" 0 0, Contacts "contacts" 0 0, Stop "stop" 0 0, Keep "keep" 1 1,
    Carried "carried" 0 0, IsContact "contact?" 1 1, ContactId "contact-id" 1 1, Named "named" 1 1,
    Forward "forward" 1 1, Turn "turn" 0 0, Host "host" 0 0, ReadContents "read-contents" 0 2,
    ToText "->string" 1 1, ListSet "list-set!" 3 3, VectorCopy "vector-copy" 1 3,
    StringForEach "string-for-each" 2 15, CharLessEq "char<=?" 1 15, CharGreaterEq "char>=?" 1 15,
    StringLessEq "string<=?" 1 15, StringGreaterEq "string>=?" 1 15, IsExact "exact?" 1 1,
    FloorQuotient "floor-quotient" 2 2, FloorRemainder "floor-remainder" 2 2,
    TruncateQuotient "truncate-quotient" 2 2, TruncateRemainder "truncate-remainder" 2 2,
    IsExactInteger "exact-integer?" 1 1, StringMap "string-map" 2 15, SymbolEq "symbol=?" 1 15,
    BooleanEq "boolean=?" 1 15, WriteString "write-string" 1 1, WriteChar "write-char" 1 1,
    IsPromise "promise?" 1 1, Cdadr "cdadr" 1 1, Cddddr "cddddr" 1 1, Gensym "gensym" 0 0,
}

names! {
    /// The names of forms, and the symbols that forms look for.
    Form, FORM_TEXTS:
    Quote "quote" 0 0, Quasiquote "quasiquote" 0 0, Unquote "unquote" 0 0,
    UnquoteSplicing "unquote-splicing" 0 0, If "if" 0 0, Define "define" 0 0, Set "set!" 0 0,
    Lambda "lambda" 0 0, Begin "begin" 0 0, Let "let" 0 0, LetStar "let*" 0 0, Letrec "letrec" 0 0,
    LetrecStar "letrec*" 0 0, Cond "cond" 0 0, Else "else" 0 0, Arrow "=>" 0 0, Case "case" 0 0,
    When "when" 0 0, Unless "unless" 0 0, And "and" 0 0, Or "or" 0 0, Do "do" 0 0,
    Delay "delay" 0 0, Guard "guard" 0 0, DefineRecord "define-record-type" 0 0,
    Assert "assert" 0 0, LetValues "let-values" 0 0, Receive "receive" 0 0,
    // The rest cannot be read: they are what analysed code is made of.
    LambdaReady "lambda\u{1}" 0 0, LetReady "let\u{1}" 0 0, GuardReady "guard\u{1}" 0 0,
    LoopName "do\u{1}" 0 0, TestName "cond\u{1}" 0 0, QuasiDeep "quasiquote\u{1}" 0 0,
    DelayForce "delay-force" 0 0, LetStarValues "let*-values" 0 0, CallMemo "case\u{1}" 0 0,
    Dots "..." 0 0,
}

/// Forms are numbered behind the procedures, with room for more of those.
pub(crate) const FORMS_AT: u32 = 512;

const _: () = assert!(Builtin::COUNT <= 256 && Form::COUNT <= 256);
const COUNT: usize = Builtin::COUNT + Form::COUNT;

/// Where each name ends in its list of texts, procedures first.
static ENDS: [u16; COUNT] = {
    let mut ends = [0; COUNT];
    let mut list = 0;
    let mut at = 0;
    while list < 2 {
        let text = if list == 0 { BUILTIN_TEXTS } else { FORM_TEXTS }.as_bytes();
        let mut i = 0;
        while i < text.len() {
            if text[i] == b' ' {
                ends[at] = i as u16;
                at += 1;
            }
            i += 1;
        }
        list += 1;
    }
    ends
};

const fn text_at(index: usize) -> (&'static [u8], usize, usize) {
    let (text, first) = if index < Builtin::COUNT {
        (BUILTIN_TEXTS, 0)
    } else {
        (FORM_TEXTS, Builtin::COUNT)
    };
    let from = if index == first {
        0
    } else {
        ENDS[index - 1] as usize + 1
    };
    (text.as_bytes(), from, ENDS[index] as usize)
}

const fn is_before(left: usize, right: usize) -> bool {
    let (a, mut i, a_end) = text_at(left);
    let (b, mut j, b_end) = text_at(right);
    while i < a_end && j < b_end {
        if a[i] != b[j] {
            return a[i] < b[j];
        }
        i += 1;
        j += 1;
    }
    i == a_end && j < b_end
}

/// All names in the order of their spelling.
static SORTED: [u16; COUNT] = {
    let mut sorted = [0; COUNT];
    let mut n = 0;
    while n < COUNT {
        let mut at = n;
        while at > 0 && is_before(n, sorted[at - 1] as usize) {
            sorted[at] = sorted[at - 1];
            at -= 1;
        }
        sorted[at] = n as u16;
        n += 1;
    }
    sorted
};

/// A name of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Name {
    /// Of a procedure.
    Builtin(Builtin),
    /// Of a form.
    Form(Form),
}

impl Name {
    /// The number that a value holds.
    pub(crate) const fn number(self) -> u32 {
        match self {
            Self::Builtin(builtin) => builtin as u32,
            Self::Form(form) => FORMS_AT + form as u32,
        }
    }

    /// The name of this number.
    pub(crate) fn from_number(number: u32) -> Option<Self> {
        if number < FORMS_AT {
            Builtin::from_number(number).map(Self::Builtin)
        } else {
            Form::from_number(number - FORMS_AT).map(Self::Form)
        }
    }

    /// How it is spelt.
    pub(crate) fn text(self) -> &'static str {
        let (index, texts) = match self {
            Self::Builtin(builtin) => (builtin as usize, BUILTIN_TEXTS),
            Self::Form(form) => (Builtin::COUNT + form as usize, FORM_TEXTS),
        };
        let (_, from, end) = text_at(index);
        let text = texts.get(from..end).unwrap_or_default();
        text.strip_suffix('\u{1}').unwrap_or(text)
    }

    /// The name that is spelt like this.
    pub(crate) fn find(spelling: &[u8]) -> Option<Self> {
        let (mut low, mut high) = (0, COUNT);
        while low < high {
            let middle = usize::midpoint(low, high);
            let index = usize::from(SORTED[middle]);
            let (text, from, end) = text_at(index);
            match compare(&text[from..end], spelling) {
                core::cmp::Ordering::Equal if index < Builtin::COUNT => {
                    return Builtin::from_number(index as u32).map(Self::Builtin);
                }
                core::cmp::Ordering::Equal => {
                    return Form::from_number((index - Builtin::COUNT) as u32).map(Self::Form);
                }
                core::cmp::Ordering::Less => low = middle + 1,
                core::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }
}

/// The order of two names; a loop, since most differ in their first bytes.
fn compare(a: &[u8], b: &[u8]) -> core::cmp::Ordering {
    for (x, y) in a.iter().zip(b) {
        if x != y {
            return x.cmp(y);
        }
    }
    a.len().cmp(&b.len())
}

impl Builtin {
    /// Whether it takes so many arguments.
    pub(crate) fn takes(self, count: usize) -> bool {
        let arity = Self::ARITIES[self as usize];
        let (min, max) = (usize::from(arity >> 4), usize::from(arity & 15));
        count >= min && (count <= max || max == 15)
    }
}
