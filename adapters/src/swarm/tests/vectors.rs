//! What Bee's own tests expect.

use super::super::chunk::Chunk;
use super::super::encrypt::transform;
use super::super::feed::{Dated, Feed, Index, topic};
use super::super::keccak::keccak256;
use super::super::reference::{Address, Key, Recorded, Redundancy};
use super::super::sign::{Owner, Signature, Signer};
use super::super::soc::{self, Soc};
use super::super::splitter::{hash, over};
use super::super::stamp::{Postage, STAMP_BYTES, Stamp, bucket_of, bucket_slots};
use super::super::store::{ChunkStore, Nowhere};
use super::*;

/// Contents and their reference, whatever the number of threads.
fn check(contents: &[u8], reference: &str) {
    for threads in [1, 2, 5] {
        let split = hash(contents, threads).unwrap();
        assert_eq!(
            split.reference().to_string(),
            reference,
            "{} bytes",
            contents.len()
        );
        assert_eq!(split.len, contents.len() as u64);
        assert_eq!(split.recorded.redundancy, Redundancy::None);
    }
}

#[test]
fn contents_have_the_references_that_bee_gives_them() {
    check(
        b"",
        "b34ca8c22b9e982354f9c7f50b470d66db428d880c8a904d5fe4ec9713171526",
    );
    check(
        b"hello world",
        "92672a471f4419b255d7cb0cf313474a6f5856fb347c5ece85fb706d644b630f",
    );
    check(
        b"foo",
        "2387e8e7d8a48c2a9339c97c1dc3461a9a7aa07e994c5cb8b38fd7c1b3e6ea48",
    );
    for (len, reference) in [
        (
            31,
            "ece86edb20669cc60d142789d464d57bdf5e33cb789d443f608cbd81cfa5697d",
        ),
        (
            64,
            "490072cc55b8ad381335ff882ac51303cc069cbcb8d8d3f7aa152d9c617829fe",
        ),
        (
            4096,
            "c10090961e7682a10890c334d759a28426647141213abda93b096b892824d2ef",
        ),
        (
            4127,
            "91699c83ed93a1f87e326a29ccd8cc775323f9e7260035a5f014c975c5f3cd28",
        ),
        (
            8192,
            "29a5fb121ce96194ba8b7b823a1f9c6af87e1791f824940a53b5a7efe3f790d9",
        ),
        (
            4096 * 128,
            "3047d841077898c26bbe6be652a2ec590a5d9bd7cd45d290ea42511b48753c09",
        ),
        (
            4096 * 128 + 31,
            "e5c76afa931e33ac94bce2e754b1bb6407d07f738f67856783d93934ca8fc576",
        ),
        (
            4096 * 129,
            "b8e1804e37a064d28d161ab5f256cc482b1423d5cd0a6b30fde7b0f51ece9199",
        ),
        (
            4096 * 130,
            "59de730bf6c67a941f3b2ffa2f920acfaa1713695ad5deea12b4a121e5f23fa1",
        ),
    ] {
        check(&d(len), reference);
    }
}

/// 64 MiB, and a leaf more that is carried up two levels. The contents repeat every 255 leaves, so each
/// leaf is hashed once.
#[test]
fn sixty_four_mebibytes_and_a_bit() {
    let options = SplitOptions::default();
    let repeated = d(255 * 4096);
    let leaf = |bytes: &[u8]| split(bytes, &Nowhere, &options).unwrap();
    let leaves: Vec<_> = repeated.chunks(4096).map(leaf).collect();
    let full = || leaves.iter().copied().cycle().take(128 * 128);
    let reference = "522194562123473dcfd7a457b18ee7dee8b7db70ed3cfa2b73f348a992fdfd3b";
    let whole = over(full(), &Nowhere, &options).unwrap();
    assert_eq!(whole.reference().to_string(), reference);
    assert_eq!(whole.len, 64 << 20);

    let start = 128 * 128 % 255 * 4096;
    let tail = leaf(&repeated[start..start + 32]);
    let reference = "ed0cc44c93b14fef2d91ab3a3674eeb6352a42ac2f0bbe524711824aae1e7bcc";
    let longer = over(full().chain([tail]), &Nowhere, &options).unwrap();
    assert_eq!(longer.reference().to_string(), reference);
}

fn owner() -> Owner {
    "8d3766440f0d7b949a5e32995d09619a7f86e632".parse().unwrap()
}

/// The key of Bee's single-owner chunk tests.
fn signer() -> Signer {
    let key = array("634fb5a872396d9693e5c9f9d7233cfa93f395c093371017ff44aa9ae6564cdd");
    Signer::from_bytes(&key).unwrap()
}

const SOC_ADDRESS: &str = "9d453ebb73b2fedaaf44ceddcf7a0aa37f3e3d6453fea5841c31f0ea6d61dc85";
const SOC_SIGNATURE: &str = concat!(
    "5acd384febc133b7b245e5ddc62d82d2cded9182d2716126cd8844509af65a05",
    "3deb418208027f548e3e88343af6f84a8772fb3cebc0a1833a0ea7ec0c1348311b"
);

#[test]
fn a_single_owner_chunk_is_bees() {
    let id = [0; 32];
    assert_eq!(signer().owner(), owner());
    assert_eq!(soc::address(&id, owner()).to_string(), SOC_ADDRESS);
    let made = Soc::sign(&signer(), id, Chunk::new(b"foo").unwrap());
    assert_eq!(made.signature().to_string(), SOC_SIGNATURE);
    assert_eq!(
        SOC_SIGNATURE.parse::<Signature>().unwrap(),
        made.signature()
    );
    let bytes = made.to_bytes();
    let address: Address = SOC_ADDRESS.parse().unwrap();
    assert_eq!(Soc::verify(address, bytes.clone()).unwrap(), made);
    assert_eq!(bytes.len(), 105 + 3);
    let foo = Chunk::new(b"foo").unwrap();
    assert_eq!(
        Soc::signed(id, owner(), made.signature(), foo).unwrap(),
        made
    );

    let other = Soc::signed(id, owner(), made.signature(), Chunk::new(b"bar").unwrap());
    assert!(
        matches!(other, Err(SwarmError::Signature { .. })),
        "{other:?}"
    );
    let mut spoilt = bytes;
    *spoilt.last_mut().unwrap() ^= 1;
    assert!(Soc::verify(address, spoilt).is_err());
}

/// A signature with the higher of both possible `s` is valid on Ethereum, so on Swarm too.
#[test]
fn both_forms_of_a_signature_name_the_owner() {
    let digest = keccak256(b"either");
    let signature = signer().sign(&digest);
    let mut other = signature;
    let order = hex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
    let mut borrow = 0;
    for at in (0..32).rev() {
        let difference = i16::from(order[at]) - i16::from(signature.0[32 + at]) - borrow;
        borrow = i16::from(difference < 0);
        other.0[32 + at] = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    other.0[64] = 27 + 28 - other.0[64];
    assert_eq!(signature.recover(&digest).unwrap(), owner());
    assert_eq!(other.recover(&digest).unwrap(), owner());
    for v in [0, 1, 26, 29, 255] {
        other.0[64] = v;
        assert!(other.recover(&digest).is_err());
    }
}

#[test]
fn the_cipher_is_bees() {
    let key = Key(array(
        "8abf1502f557f15026716030fb6384792583daf39608a3cd02ff2f47e9bc6e49",
    ));
    let mut bytes = vec![0; 4096];
    transform(key, 0, &mut bytes);
    assert_eq!(bytes[..8], hex("352187af3a843dec"));
    transform(key, 0, &mut bytes);
    assert_eq!(bytes, vec![0; 4096]);
}

#[test]
fn a_feeds_updates_are_where_others_look_for_them() {
    let feed = Feed {
        owner: "654bfe2e030ff82b8741c7a0bf9ec26ea523b31c".parse().unwrap(),
        topic: topic("testtopic"),
    };
    let id = "115cba53a31da205fbcbe3e367c7ff9e6ed5a3bf602d34c4204cc0352c68a817";
    let address = "d8020d494642ee61d705dab9b68a050a6fed29c25b3924986c02ff1c5f7a0241";
    assert_eq!(feed.id(Index(0)).to_vec(), hex(id));
    assert_eq!(Index(258).to_string(), "0000000000000102");
    assert_eq!(feed.address(Index(0)).to_string(), address);
}

#[test]
fn the_latest_update_is_found() {
    let feed = Feed {
        owner: owner(),
        topic: topic("latest"),
    };
    let chunks = MemoryChunks::default();
    assert!(feed.latest(&chunks, Index(0)).unwrap().is_none());
    for number in 0..70u64 {
        let dated = Dated {
            at: 1_700_000_000 + number,
            reference: Address(keccak256(&number.to_le_bytes())).into(),
        };
        let update = feed
            .update(&signer(), Index(number), dated.to_chunk().unwrap())
            .unwrap();
        let address = feed.address(Index(number));
        chunks.put(&[(address, &update.to_bytes())]).unwrap();
        for after in [0, number / 2, number] {
            let (latest, found) = feed.latest(&chunks, Index(after)).unwrap().unwrap();
            assert_eq!(latest, Index(number));
            assert_eq!(Dated::from_chunk(found.chunk()), Some(dated));
        }
        assert!(feed.latest(&chunks, Index(number + 1)).unwrap().is_none());
    }
    let last = Index(u64::MAX);
    let update = feed
        .update(&signer(), last, Chunk::new(b"").unwrap())
        .unwrap();
    chunks
        .put(&[(feed.address(last), &update.to_bytes())])
        .unwrap();
    assert_eq!(feed.latest(&chunks, last).unwrap().unwrap().0, last);

    let stranger = Signer::from_bytes(&[9; 32]).unwrap();
    assert!(
        feed.update(&stranger, Index(0), Chunk::new(b"").unwrap())
            .is_err()
    );
}

#[test]
fn a_stamp_says_who_paid() {
    let address: Address = SOC_ADDRESS.parse().unwrap();
    let postage = Postage {
        batch: [3; 32],
        slot: 5,
        time_ns: 1_700_000_000_000_000_001,
    };
    let stamp = Stamp::sign(&signer(), &address, postage);
    let bytes = stamp.to_bytes();
    assert_eq!(bytes.len(), 113);
    let expected = [
        vec![3; 32],
        hex("00009d4500000005"),
        hex("17979cfe362a0001"),
    ]
    .concat();
    assert_eq!(bytes[..48], expected);
    assert_eq!(Stamp::from_bytes(&bytes).unwrap(), stamp);
    assert_eq!(stamp.to_string().parse::<Stamp>().unwrap(), stamp);
    assert_eq!(stamp.signer(&address).unwrap(), owner());
    assert_eq!(bucket_of(&address), 0x9d45);
    assert_eq!(
        (bucket_slots(15), bucket_slots(16), bucket_slots(20)),
        (None, Some(1), Some(16))
    );

    let mut elsewhere = address;
    elsewhere.0[0] ^= 1;
    assert!(stamp.signer(&elsewhere).is_err());
    let mut another = address;
    another.0[31] ^= 1;
    assert_ne!(stamp.signer(&another).ok(), Some(owner()));
    for len in (0..STAMP_BYTES).chain([STAMP_BYTES + 1]) {
        assert!(Stamp::from_bytes(&vec![0; len]).is_err(), "{len}");
    }
}

#[test]
fn references_are_written_as_others_write_them() {
    let plain = "36b7efd913ca4cf880b8eeac5093fa27b0825906c600685b6abdd6566e6cfe8f";
    let sealed = format!("{plain}2d2810619d29b5dbefd5d74abce25d58b81b251baddb9c3871cf0d6967deaae2");
    for text in [plain, &sealed] {
        let reference: Reference = text.parse().unwrap();
        assert_eq!(reference.to_string(), text);
        assert_eq!(text.to_uppercase().parse::<Reference>().unwrap(), reference);
        assert_eq!(
            Reference::from_bytes(&reference.to_bytes()).unwrap(),
            reference
        );
        assert!(!format!("{reference:?}").contains("2d2810"));
        let recorded = Recorded {
            reference,
            redundancy: Redundancy::None,
        };
        assert_eq!(
            Recorded::from_bytes(&recorded.to_bytes()).unwrap(),
            recorded
        );
    }
    for text in [
        "",
        "36b7",
        &plain[1..],
        &plain.replace('3', "g"),
        &"é".repeat(32),
    ] {
        assert!(text.parse::<Reference>().is_err(), "{text}");
    }
}

/// Where the descriptions of the outside systems are, or nothing, said aloud.
fn specs() -> Option<std::path::PathBuf> {
    let shared = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let folder = shared.join("specs/bee");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no descriptions of Bee at {}", folder.display());
    None
}

/// Every example in Bee's API descriptions of what we read as text is read.
#[test]
fn the_examples_of_bees_api_are_read() {
    let Some(folder) = specs() else { return };
    for file in ["SwarmCommon.yaml", "v2.8.0/SwarmCommon.yaml"] {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        let mut read = 0;
        let mut schema = "";
        for line in text.lines() {
            let indented = line.trim_start_matches(' ');
            if line.len() - indented.len() == 4 && line.ends_with(':') {
                schema = indented;
            }
            let Some(example) = indented.strip_prefix("example: ") else {
                continue;
            };
            let example = example.trim_matches('"');
            let reread = match schema {
                "SwarmAddress:" | "BatchID:" | "SwarmEncryptedReference:" => {
                    example.parse::<Reference>().unwrap().to_string()
                }
                "EthereumAddress:" => example.parse::<Owner>().unwrap().to_string(),
                "Signature:" => example.parse::<Signature>().unwrap().to_string(),
                _ => continue,
            };
            assert_eq!(reread, example.trim_start_matches("0x"), "{schema} {file}");
            read += 1;
        }
        assert!(read >= 4, "{read} examples in {file}");
    }
}

#[test]
fn other_redundancy_is_refused_with_a_way_out() {
    let options = SplitOptions {
        redundancy: Redundancy::Medium,
        ..SplitOptions::default()
    };
    let refused = split(&b"x"[..], &Nowhere, &options).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "redundancy level 1 (medium) is not supported, only level 0 is"
    );
    assert_eq!(
        refused.hint(),
        Some("upload with `Swarm-Redundancy-Level: 0`")
    );
}
