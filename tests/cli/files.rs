//! Reading and writing arrays in files.

use std::fs;
use std::path::Path;

use crate::files_support::{
    Member, deflated, floats, npy, npy_header, read_bytes, safetensors, stored, zip,
};
use half::{bf16, f16};
use tempfile::tempdir;
use wgloss::cli::files::{Array, Data, FileError, Outputs, read};

fn array(shape: &[usize], data: Data) -> Array {
    Array {
        shape: shape.to_vec(),
        data,
    }
}

/// The values 1 and 0 in every type that is read, with the names of the type and the bytes of the
/// 1 in little endian.
fn every_type() -> Vec<(&'static str, &'static str, Vec<u8>, Data)> {
    let (h, b) = (f16::from_f32, bf16::from_f32);
    vec![
        ("f2", "F16", vec![0, 0x3c], Data::F16(vec![h(1.0), h(0.0)])),
        (
            "V2",
            "BF16",
            vec![0x80, 0x3f],
            Data::Bf16(vec![b(1.0), b(0.0)]),
        ),
        (
            "f4",
            "F32",
            vec![0, 0, 0x80, 0x3f],
            Data::F32(vec![1.0, 0.0]),
        ),
        (
            "f8",
            "F64",
            1f64.to_le_bytes().to_vec(),
            Data::F64(vec![1.0, 0.0]),
        ),
        ("i1", "I8", vec![1], Data::I8(vec![1, 0])),
        ("i2", "I16", vec![1, 0], Data::I16(vec![1, 0])),
        ("i4", "I32", vec![1, 0, 0, 0], Data::I32(vec![1, 0])),
        (
            "i8",
            "I64",
            1i64.to_le_bytes().to_vec(),
            Data::I64(vec![1, 0]),
        ),
        ("u1", "U8", vec![1], Data::U8(vec![1, 0])),
        ("u2", "U16", vec![1, 0], Data::U16(vec![1, 0])),
        ("u4", "U32", vec![1, 0, 0, 0], Data::U32(vec![1, 0])),
        (
            "u8",
            "U64",
            1u64.to_le_bytes().to_vec(),
            Data::U64(vec![1, 0]),
        ),
        ("b1", "BOOL", vec![1], Data::Bool(vec![true, false])),
    ]
}

#[test]
fn every_type_is_read_in_either_byte_order() {
    let dir = tempdir().unwrap();
    for (code, _, one, data) in every_type() {
        let wanted = array(&[2], data);
        for (order, reversed) in [("<", false), (">", true)] {
            let mut bytes = one.clone();
            if reversed {
                bytes.reverse();
            }
            bytes.resize(2 * one.len(), 0);
            let file = npy(&format!("'{order}{code}'"), false, "(2,)", &bytes);
            let got = read_bytes(dir.path(), "a.npy", "", &file).unwrap();
            assert_eq!(got, wanted, "{order}{code}");
        }
    }
    for descr in ["'|V2'", "'bfloat16'"] {
        let file = npy(descr, false, "(1,)", &[0x80, 0x3f]);
        let got = read_bytes(dir.path(), "a.npy", "", &file).unwrap();
        assert_eq!(got.data, Data::Bf16(vec![bf16::from_f32(1.0)]));
        assert_eq!(got.data.dtype_name(), "bfloat16");
    }
}

#[test]
fn every_version_of_npy_is_read() {
    let dir = tempdir().unwrap();
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
    for version in [1, 2, 3] {
        let file = npy_header(version, header, &floats(&[1.5, -2.0]));
        let got = read_bytes(dir.path(), "a.npy", "", &file).unwrap();
        assert_eq!(got, array(&[2], Data::F32(vec![1.5, -2.0])));
    }
    let file = npy_header(4, header, &floats(&[1.5, -2.0]));
    let message = read_bytes(dir.path(), "a.npy", "", &file)
        .unwrap_err()
        .to_string();
    assert!(message.contains("version 1.0, 2.0 or 3.0") && message.ends_with("found 4.0"));
}

#[test]
fn headers_that_python_would_take_are_taken() {
    let dir = tempdir().unwrap();
    for header in [
        r#"{"shape": ( 2 , 1 ), "descr": "<f4", "fortran_order": False}"#,
        "{'descr':'<f4','fortran_order':False,'shape':(2L,1L)}",
        "  { 'fortran_order' : True,\n 'descr': '<f4', 'shape': (2, 1,), }  ",
    ] {
        let file = npy_header(1, header, &floats(&[1.5, -2.0]));
        let got = read_bytes(dir.path(), "a.npy", "", &file).unwrap();
        assert_eq!(got, array(&[2, 1], Data::F32(vec![1.5, -2.0])), "{header}");
    }
}

#[test]
fn shapes_of_no_axes_and_of_no_elements_are_read() {
    let dir = tempdir().unwrap();
    let file = npy("'<f4'", false, "()", &floats(&[3.0]));
    let got = read_bytes(dir.path(), "a.npy", "", &file).unwrap();
    assert_eq!(got, array(&[], Data::F32(vec![3.0])));
    for fortran in [false, true] {
        let file = npy("'<f4'", fortran, "(3, 0, 2)", &[]);
        let got = read_bytes(dir.path(), "a.npy", "", &file).unwrap();
        assert_eq!(got, array(&[3, 0, 2], Data::F32(vec![])));
        assert!(got.data.is_empty());
    }
}

#[test]
fn fortran_order_is_put_into_c_order() {
    let dir = tempdir().unwrap();
    // The element at [i, j, k] is 100 i + 10 j + k.
    let (a, b, c) = (2, 3, 4);
    let mut stored = Vec::new();
    for k in 0..c {
        for j in 0..b {
            stored.extend((0..a).map(|i| (100 * i + 10 * j + k) as f32));
        }
    }
    let mut wanted = Vec::new();
    for i in 0..a {
        for j in 0..b {
            wanted.extend((0..c).map(|k| (100 * i + 10 * j + k) as f32));
        }
    }
    let file = npy("'<f4'", true, "(2, 3, 4)", &floats(&stored));
    let got = read_bytes(dir.path(), "a.npy", "", &file).unwrap();
    assert_eq!(got, array(&[2, 3, 4], Data::F32(wanted)));
}

#[test]
fn arrays_larger_than_one_chunk_are_read() {
    let dir = tempdir().unwrap();
    let values: Vec<f32> = (0..50_001).map(|i| i as f32).collect();
    let file = npy("'<f4'", false, "(50001,)", &floats(&values));
    let wanted = array(&[50_001], Data::F32(values));
    let got = read_bytes(dir.path(), "a.npy", "", &file).unwrap();
    assert_eq!(got, wanted);
    let archive = zip(&[deflated("a.npy", file)]);
    let got = read_bytes(dir.path(), "a.npz", "", &archive).unwrap();
    assert_eq!(got, wanted);
}

#[test]
fn other_types_are_refused_by_name() {
    let dir = tempdir().unwrap();
    for (descr, name) in [
        ("'<c8'", "complex numbers (<c8)"),
        ("'|O'", "pickled Python objects (|O)"),
        ("'|S3'", "strings (|S3)"),
        ("'<U7'", "strings (<U7)"),
        ("'<M8[ns]'", "dates (<M8[ns])"),
        ("'<m8[s]'", "time spans (<m8[s])"),
        ("'<V1'", "raw bytes (<V1)"),
        ("'<f16'", "floats of another width (<f16)"),
        ("'<i16'", "integers of another width (<i16)"),
        ("'é'", "an unknown type (é)"),
        ("''", "an unknown type ()"),
        (
            "[('a', '<f4'), (')', '<f8')]",
            "the structured type [('a', '<f4'), (')', '<f8')]",
        ),
        ("('<f4', (2,))", "the structured type ('<f4', (2,))"),
    ] {
        let file = npy(descr, false, "(1,)", &[0; 8]);
        let error = read_bytes(dir.path(), "a.npy", "", &file).unwrap_err();
        assert!(
            matches!(&error, FileError::Dtype { dtype, .. } if dtype == name),
            "{error}"
        );
    }
    for dtype in ["F8_E4M3", "F8_E5M2", "F4", "C64", "NEW"] {
        let header = format!(r#"{{"a":{{"dtype":"{dtype}","shape":[8],"data_offsets":[0,8]}}}}"#);
        let file = safetensors(&header, &[0; 8]);
        let error = read_bytes(dir.path(), "a.safetensors", ":a", &file).unwrap_err();
        assert!(
            matches!(&error, FileError::Dtype { dtype: found, .. } if found == dtype),
            "{error}"
        );
    }
}

#[test]
fn archives_of_numpy_are_read() {
    let dir = tempdir().unwrap();
    // np.savez_compressed(file, a=np.zeros(2, "f4")), which numpy writes with zip64 sizes.
    let file = b"PK\x03\x04-\0\0\0\x08\0\0\0!\0\x85\xb0\xb6\xac\xff\xff\xff\xff\xff\xff\xff\xff\
        \x05\0\x14\0a.npy\x01\0\x10\0\x88\0\0\0\0\0\0\0G\0\0\0\0\0\0\0\
        \x9b\xec\x17\xea\x1b\x10\xc9\xc8P\xc6P\xad\x9e\x92Z\x9c\\\xa4n\xa5\xa0n\x93f\xa2\xae\xa3\
        \xa0\x9e\x96_TR\x94\x98\x17\x9f_\x94\x92\n\x12wK\xcc)N\x05\x8a\x17g$\x16\xa4\x02\xf9\x1aF\
        :\x9a:\n\xb5\n\x14\0.\x06(\0\0\
        PK\x01\x02-\x03-\0\0\0\x08\0\0\0!\0\x85\xb0\xb6\xacG\0\0\0\x88\0\0\0\x05\0\0\0\0\0\0\0\0\0\
        \0\0\x80\x01\0\0\0\0a.npyPK\x05\x06\0\0\0\0\x01\0\x01\x003\0\0\0~\0\0\0\0\0";
    for key in ["", ":a", ":a.npy"] {
        let got = read_bytes(dir.path(), "a.npz", key, file).unwrap();
        assert_eq!(got, array(&[2], Data::F32(vec![0.0, 0.0])));
    }
}

#[test]
fn keys_of_an_npz_are_found_as_numpy_finds_them() {
    let dir = tempdir().unwrap();
    let one = |value: f32| npy("'<f4'", false, "(1,)", &floats(&[value]));
    let file = zip(&[
        stored("dir/", vec![]),
        stored("a.npy", one(1.0)),
        deflated("b.npy.npy", one(2.0)),
        deflated("b.npy", one(3.0)),
        deflated("c:d e.npy", one(4.0)),
        deflated("bare", one(5.0)),
    ]);
    for (key, value) in [
        (":a", 1.0),
        (":a.npy", 1.0),
        (":b", 3.0),
        (":b.npy", 3.0),
        (":b.npy.npy", 2.0),
        (":c:d e", 4.0),
        (":bare", 5.0),
    ] {
        let got = read_bytes(dir.path(), "a.npz", key, &file).unwrap();
        assert_eq!(got.data, Data::F32(vec![value]), "{key}");
    }
    let error = read_bytes(dir.path(), "a.npz", ":A", &file).unwrap_err();
    let FileError::UnknownKey {
        key, keys, total, ..
    } = error
    else {
        panic!("{error}");
    };
    assert_eq!((key.as_str(), total), ("A", 4));
    assert_eq!(keys, ["a", "b.npy", "b", "c:d e"]);
    let error = read_bytes(dir.path(), "a.npz", "", &file).unwrap_err();
    assert!(
        matches!(error, FileError::MissingKey { total: 4, .. }),
        "{error}"
    );

    let names: Vec<String> = (0..23).map(|i| format!("k{i}.npy")).collect();
    let members: Vec<Member> = names.iter().map(|name| stored(name, one(0.0))).collect();
    let error = read_bytes(dir.path(), "b.npz", ":x", &zip(&members)).unwrap_err();
    let wanted = "b.npz:x: expected one of its keys, found `x`; the first 10 of its 23 keys are \
                  `k0`, `k1`, `k2`, `k3`, `k4`, `k5`, `k6`, `k7`, `k8`, `k9`";
    assert!(error.to_string().ends_with(wanted), "{error}");

    let error = read_bytes(dir.path(), "c.npz", "", &zip(&[])).unwrap_err();
    assert!(
        error.to_string().ends_with("found none; it has no keys"),
        "{error}"
    );
}

#[test]
fn damaged_members_of_an_npz_are_refused() {
    let dir = tempdir().unwrap();
    let good = || npy("'<f4'", false, "(2,)", &floats(&[1.0, 2.0]));
    let member = |method, flags, lie| Member {
        method,
        flags,
        lie,
        ..stored("a.npy", good())
    };
    for (bad, wanted) in [
        (zip(&[member(0, 1, 0)]), "not encrypted"),
        (zip(&[member(12, 0, 0)]), "method 12 (BZIP2)"),
        (zip(&[member(0, 0, 1)]), "a stored array of"),
        (
            zip(&[member(8, 0, 4)]),
            "8 bytes for elements of shape [2], found 12",
        ),
        (zip(&[member(8, 0, 1 << 30)]), "at most 1032 times the"),
        (
            zip(&[stored("a.npy", good()), deflated("a.npy", good())]),
            "the key `a` once",
        ),
        (zip(&[stored("a.npy", b"other".to_vec())]), "a .npy header"),
        (b"not an archive".to_vec(), "a zip archive"),
    ] {
        let error = read_bytes(dir.path(), "a.npz", ":a", &bad)
            .unwrap_err()
            .to_string();
        assert!(error.contains(wanted), "{error}");
    }
    let mut wrong = zip(&[stored("a.npy", good())]);
    let last = wrong.windows(4).position(|w| w == b"PK\x01\x02").unwrap() - 1;
    wrong[last] ^= 1;
    let error = read_bytes(dir.path(), "a.npz", ":a", &wrong)
        .unwrap_err()
        .to_string();
    assert!(error.contains("Invalid checksum"), "{error}");
}

#[test]
fn every_type_of_safetensors_is_read() {
    let dir = tempdir().unwrap();
    for (_, dtype, one, data) in every_type() {
        let mut bytes = one.clone();
        bytes.resize(2 * one.len(), 0);
        let len = bytes.len();
        // A tensor of another type before it, and one of an unknown type after it.
        let header = format!(
            r#"{{"__metadata__":{{"format":"pt"}},
            "z:y":{{"dtype":"NEW","shape":[3],"data_offsets":[{},{}]}},
            "layer.w":{{"dtype":"{dtype}","shape":[1,2],"data_offsets":[3,{}]}},
            "b":{{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}}}   "#,
            3 + len,
            6 + len,
            3 + len,
        );
        let file = safetensors(&header, &[&[9; 3], &bytes[..], &[9; 3]].concat());
        let got = read_bytes(dir.path(), "a.safetensors", ":layer.w", &file).unwrap();
        assert_eq!(got, array(&[1, 2], data));
    }
}

#[test]
fn keys_of_a_safetensors_file_are_found() {
    let dir = tempdir().unwrap();
    let one = r#"{"a.b":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}"#;
    let file = safetensors(one, &floats(&[7.0]));
    for key in ["", ":a.b"] {
        let got = read_bytes(dir.path(), "a.safetensors", key, &file).unwrap();
        assert_eq!(got, array(&[], Data::F32(vec![7.0])));
    }
    let error = read_bytes(dir.path(), "a.safetensors", ":c", &file).unwrap_err();
    let wanted = "a.safetensors:c: expected one of its keys, found `c`; its keys are `a.b`";
    assert!(error.to_string().ends_with(wanted), "{error}");

    let none = safetensors(r#"{"__metadata__":{}}"#, &[]);
    let error = read_bytes(dir.path(), "a.safetensors", "", &none).unwrap_err();
    assert!(
        matches!(error, FileError::MissingKey { total: 0, .. }),
        "{error}"
    );
}

#[test]
fn damaged_safetensors_files_are_refused() {
    let dir = tempdir().unwrap();
    let tensor = |name: &str, len: u64, begin: u64, end: u64| {
        format!(r#""{name}":{{"dtype":"U8","shape":[{len}],"data_offsets":[{begin},{end}]}}"#)
    };
    let huge = u64::MAX - 7;
    for (header, wanted) in [
        (
            format!("{{{}}}", tensor("a", 4, 0, 4)),
            "4 bytes of tensors, found 8",
        ),
        (
            format!("{{{}}}", tensor("a", 9, 0, 9)),
            "9 bytes of tensors, found 8",
        ),
        (
            format!("{{{}}}", tensor("a", 7, 1, 8)),
            "begins at offset 0, found one from 1 to 8",
        ),
        (
            format!("{{{}}}", tensor("a", 0, 8, 0)),
            "begins at offset 0, found one from 8 to 0",
        ),
        (
            format!("{{{}}}", tensor("a", 7, 0, 8)),
            "7 bytes for elements of shape [7], found 8",
        ),
        (
            format!("{{{}}}", tensor("a", huge, 0, huge)),
            "18446744073709551608 bytes of tensors",
        ),
        (
            format!("{{{},{}}}", tensor("a", 8, 0, 8), tensor("b", 8, 0, 8)),
            "begins at offset 8",
        ),
        (
            format!("{{{},{}}}", tensor("a", 8, 0, 8), tensor("a", 0, 8, 8)),
            "the key `a` once, found it twice",
        ),
        (
            r#"{"a":{"dtype":"U8","shape":[-8],"data_offsets":[0,8]}}"#.into(),
            "a .safetensors header",
        ),
        (
            r#"{"a":{"dtype":"U8","shape":[8]}}"#.into(),
            "missing field `data_offsets`",
        ),
        (
            format!(r#"{{"a":{}{}}}"#, "[".repeat(9999), "]".repeat(9999)),
            "a .safetensors header",
        ),
        (format!(r#"{{"a":[{}0]}}"#, "0,".repeat(9999)), "too long"),
        ("[]".into(), "a .safetensors header"),
        ("{} {}".into(), "a .safetensors header"),
        ("".into(), "a .safetensors header"),
    ] {
        let file = safetensors(&header, &[0; 8]);
        let error = read_bytes(dir.path(), "a.safetensors", ":a", &file)
            .unwrap_err()
            .to_string();
        assert!(error.contains(wanted) && !error.contains('\n'), "{error}");
    }
}

#[test]
fn names_are_split_where_the_key_begins() {
    let dir = tempdir().unwrap();
    let file = npy("'<f4'", false, "()", &floats(&[3.0]));
    let archive = zip(&[stored("a.npy", file.clone())]);
    let colons = dir.path().join("x:y.npz:z");
    fs::create_dir(&colons).unwrap();
    read_bytes(&colons, "a:b.npz", ":a", &archive).unwrap();
    read_bytes(dir.path(), "c:d.npy", "", &file).unwrap();

    let error = read_bytes(dir.path(), "a.npy", ":key", &file).unwrap_err();
    assert!(
        matches!(&error, FileError::UnexpectedKey { key, .. } if key == "key"),
        "{error}"
    );
    let error = read_bytes(dir.path(), "a.npz", ":", &archive).unwrap_err();
    assert!(
        matches!(&error, FileError::UnknownKey { key, .. } if key.is_empty()),
        "{error}"
    );
    for name in ["a.txt", "npy", "", "a.NPY", "a.safetensors.index.json"] {
        let error = read(name).unwrap_err();
        let wanted = "expected a name ending in .npy, .npz, .npz:key, .safetensors or \
                      .safetensors:key";
        assert_eq!(error.to_string(), format!("{name}: {wanted}"));
    }
}

#[test]
fn files_that_cannot_be_opened_are_reported() {
    let dir = tempdir().unwrap();
    let missing = dir.path().join("none.npz");
    let spec = format!("{}:key", missing.display());
    let message = read(&spec).unwrap_err().to_string();
    assert!(
        message.starts_with(&format!("{spec}: cannot open: ")),
        "{message}"
    );
    assert!(message.contains("(os error "), "{message}");

    let directory = dir.path().join("dir.npy");
    fs::create_dir(&directory).unwrap();
    let error = read(directory.to_str().unwrap()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("dir.npy: cannot open: is a directory"),
        "{error}"
    );

    #[cfg(unix)]
    {
        let device = dir.path().join("device.npy");
        std::os::unix::fs::symlink("/dev/zero", &device).unwrap();
        let error = read(device.to_str().unwrap()).unwrap_err();
        assert!(error.to_string().contains("a regular file"), "{error}");
    }
}

#[test]
fn messages_are_one_line_whatever_the_file_says() {
    let dir = tempdir().unwrap();
    let long = "x\n\u{1b}[31m".repeat(500);
    let one = npy("'<f4'", false, "()", &floats(&[3.0]));
    let name = format!("{}.npy", "\n\u{2028}".repeat(500));
    let json = long.replace('\n', "\\n").replace('\u{1b}', "\\u001b");
    for (name, bytes) in [
        ("a\nb.npy", npy(&format!("'{long}'"), false, "()", &[])),
        ("a.npy", npy(&format!("['{long}']"), false, "()", &[])),
        ("a.npy", npy("'<f4'", false, &long, &[])),
        ("a.npy", npy_header(1, &format!("{{'{long}': 1}}"), &[])),
        (
            "a.npz",
            zip(&[stored(&name, one.clone()), stored("\n.npy", one)]),
        ),
        (
            "a.safetensors",
            safetensors(&format!(r#"{{"{json}":"{json}"}}"#), &[]),
        ),
        (
            "a.safetensors",
            safetensors(
                &format!(r#"{{"{json}":{{"dtype":"{json}","shape":[],"data_offsets":[0,0]}}}}"#),
                &[],
            ),
        ),
    ] {
        let message = read_bytes(dir.path(), name, "", &bytes)
            .unwrap_err()
            .to_string();
        assert!(
            !message.contains(|c: char| c.is_control() || c == '\u{2028}'),
            "{message}"
        );
        assert!(message.len() < 5000, "{message}");
    }
}

#[test]
fn data_says_what_it_is() {
    for (_, _, _, data) in every_type() {
        assert_eq!(data.len(), 2);
        assert!(!data.is_empty());
        let name = data.dtype_name();
        assert_eq!(data.is_float(), name.contains("float"), "{name}");
        assert_eq!(
            data.is_integer_or_bool(),
            name.contains("int") || name == "bool",
            "{name}"
        );
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn outputs_are_as_numpy_writes_them() {
    let dir = tempdir().unwrap();
    let path = |name| dir.path().join(name);
    let mut outputs = Outputs::new();
    outputs
        .add_f32(&path("a.npy"), &[2, 1], &[1.5, -2.0])
        .unwrap();
    outputs
        .add_f64(&path("b.npy"), &[3], &[1.0, 2.0, 3.0])
        .unwrap();
    outputs.add_f32(&path("c.npy"), &[], &[7.0]).unwrap();
    outputs.add_f32(&path("d.npy"), &[0, 5], &[]).unwrap();
    outputs.commit().unwrap();
    assert_eq!(names(dir.path()), ["a.npy", "b.npy", "c.npy", "d.npy"]);

    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }";
    let wanted = npy_header(1, header, &floats(&[1.5, -2.0]));
    assert_eq!(fs::read(path("a.npy")).unwrap(), wanted);
    for (name, shape) in [("b.npy", "(3,)"), ("c.npy", "()"), ("d.npy", "(0, 5)")] {
        let bytes = fs::read(path(name)).unwrap();
        let text = String::from_utf8_lossy(&bytes[10..128]);
        assert!(text.contains(&format!("'shape': {shape}, }}")), "{text}");
        assert_eq!((bytes[8], bytes[127]), (118, b'\n'));
    }
    let got = read(path("b.npy").to_str().unwrap()).unwrap();
    assert_eq!(got, array(&[3], Data::F64(vec![1.0, 2.0, 3.0])));
}

#[test]
fn every_type_is_written_as_it_is_read() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("a.npy");
    for (_, _, _, data) in every_type() {
        let mut outputs = Outputs::new();
        outputs.add(&path, &[1, 2, 1], &data).unwrap();
        outputs.commit().unwrap();
        assert_eq!(
            read(path.to_str().unwrap()).unwrap(),
            array(&[1, 2, 1], data)
        );
    }
    let values: Vec<f64> = (0..50_001).map(f64::from).collect();
    let mut outputs = Outputs::new();
    outputs.add_f64(&path, &[50_001], &values).unwrap();
    outputs.commit().unwrap();
    assert_eq!(
        read(path.to_str().unwrap()).unwrap(),
        array(&[50_001], Data::F64(values))
    );
}

#[test]
fn outputs_appear_together_or_not_at_all() {
    let dir = tempdir().unwrap();
    let path = |name| dir.path().join(name);
    let mut outputs = Outputs::new();
    outputs.add_f32(&path("a.npy"), &[1], &[1.0]).unwrap();
    outputs.add_f32(&path("b.npy"), &[1], &[2.0]).unwrap();
    assert!(!path("a.npy").exists() && !path("b.npy").exists());
    drop(outputs);
    assert!(names(dir.path()).is_empty());
    Outputs::new().commit().unwrap();
}

#[test]
fn a_failed_rename_is_undone() {
    let dir = tempdir().unwrap();
    let path = |name| dir.path().join(name);
    fs::write(path("old.npy"), "old").unwrap();
    let mut outputs = Outputs::new();
    for name in ["old.npy", "new.npy", "blocked.npy", "last.npy"] {
        outputs.add_f32(&path(name), &[1], &[1.0]).unwrap();
    }
    // A directory that has come up since then is something a file cannot be renamed to.
    fs::create_dir(path("blocked.npy")).unwrap();
    let error = outputs.commit().unwrap_err();
    let message = error.to_string();
    assert!(message.contains("blocked.npy: cannot "), "{message}");
    assert!(!message.contains("left in place"), "{message}");
    assert_eq!(names(dir.path()), ["blocked.npy", "old.npy"]);
    assert_eq!(fs::read(path("old.npy")).unwrap(), b"old");

    fs::remove_dir(path("blocked.npy")).unwrap();
    let mut outputs = Outputs::new();
    for name in ["old.npy", "new.npy", "last.npy"] {
        outputs.add_f32(&path(name), &[1], &[1.0]).unwrap();
    }
    fs::create_dir(path("last.npy")).unwrap();
    let error = outputs.commit().unwrap_err();
    assert!(
        matches!(&error, FileError::Replace { changed, .. } if changed.is_empty()),
        "{error}"
    );
    assert_eq!(names(dir.path()), ["last.npy", "old.npy"]);
    assert_eq!(fs::read(path("old.npy")).unwrap(), b"old");
}

#[test]
fn files_that_exist_are_replaced() {
    let dir = tempdir().unwrap();
    let path = |name| dir.path().join(name);
    let mut outputs = Outputs::new();
    for name in ["a.npy", "b.npy"] {
        fs::write(path(name), "old").unwrap();
        outputs.add_f32(&path(name), &[1], &[1.0]).unwrap();
    }
    outputs.commit().unwrap();
    assert_eq!(names(dir.path()), ["a.npy", "b.npy"]);
    for name in ["a.npy", "b.npy"] {
        assert_eq!(
            read(path(name).to_str().unwrap()).unwrap().data,
            Data::F32(vec![1.0])
        );
    }
}

#[test]
fn outputs_that_cannot_be_are_refused() {
    let dir = tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::create_dir(path("dir.npy")).unwrap();
    fs::create_dir(path("sub")).unwrap();
    let mut outputs = Outputs::new();
    outputs.add_f32(&path("a.npy"), &[1], &[1.0]).unwrap();

    for name in ["a.npy", "sub/../a.npy", "./a.npy"] {
        let error = outputs.add_f32(&path(name), &[1], &[1.0]).unwrap_err();
        assert!(matches!(error, FileError::SameOutput { .. }), "{error}");
    }
    for name in ["a.npz", "a", ".."] {
        let error = outputs.add_f32(&path(name), &[1], &[1.0]).unwrap_err();
        assert!(matches!(error, FileError::Format { .. }), "{error}");
    }
    for name in ["dir.npy", "none/b.npy", "a.npy/b.npy"] {
        let error = outputs.add_f32(&path(name), &[1], &[1.0]).unwrap_err();
        assert!(matches!(error, FileError::Io { .. }), "{error}");
    }
    for shape in [&[2][..], &[usize::MAX, 2], &[1, 0], &[1; 30_000]] {
        let error = outputs.add_f32(&path("b.npy"), shape, &[1.0]).unwrap_err();
        assert!(matches!(error, FileError::Shape { .. }));
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("/dev/null", path("null.npy")).unwrap();
        let error = outputs
            .add_f32(&path("null.npy"), &[1], &[1.0])
            .unwrap_err();
        assert!(matches!(error, FileError::Malformed { .. }), "{error}");
        fs::remove_file(path("null.npy")).unwrap();
    }
    outputs.commit().unwrap();
    assert_eq!(names(dir.path()), ["a.npy", "dir.npy", "sub"]);
}

#[cfg(unix)]
#[test]
fn outputs_have_the_permissions_of_any_new_file() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempdir().unwrap();
    let path = |name| dir.path().join(name);
    let mode = |name| fs::metadata(path(name)).unwrap().permissions().mode();
    fs::write(path("other"), "").unwrap();
    let mut outputs = Outputs::new();
    outputs.add_f32(&path("a.npy"), &[1], &[1.0]).unwrap();
    outputs.commit().unwrap();
    assert_eq!(mode("a.npy"), mode("other"));
}
