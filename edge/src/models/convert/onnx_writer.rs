//! The few messages of ONNX's protobuf that a converted network needs, written by hand: a generated reader and writer of
//! the whole format would be the largest dependency of the edge. Fields are written in the order of their numbers, so
//! that the same network always gives the same bytes. Names and numbers: `onnx.proto`, IR version 8, operators version 13.

const IR_VERSION: u64 = 8;
const OPERATORS_VERSION: u64 = 13;
const F32: u64 = 1;
const I64: u64 = 7;

/// A network of one input and one output of f32.
pub struct Model<'a> {
    /// The graph's name.
    pub name: &'a str,
    /// The program that made it.
    pub producer: &'a str,
    /// Name and shape of the input.
    pub input: (&'a str, &'a [usize]),
    /// Name and shape of the output.
    pub output: (&'a str, &'a [usize]),
    /// What is computed, in an order in which it can be.
    pub nodes: Vec<Node>,
    /// The constants.
    pub tensors: Vec<Tensor>,
}

/// One operation.
pub struct Node {
    /// ONNX's name of the operator.
    pub operator: &'static str,
    /// What it reads, by name.
    pub inputs: Vec<String>,
    /// The name of its one output.
    pub output: String,
    /// Its attributes, by rising name.
    pub attributes: Vec<(&'static str, Attribute)>,
}

/// The value of an attribute.
pub enum Attribute {
    /// A number.
    Float(f32),
    /// A whole number.
    Int(u64),
    /// Whole numbers.
    Ints(Vec<usize>),
}

/// A constant; without a dimension it is a single value.
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// The size in each dimension.
    pub shape: Vec<usize>,
    /// The values in row-major order.
    pub values: Values,
}

/// The values of a constant.
pub enum Values {
    /// Of 32-bit floats.
    F32(Vec<f32>),
    /// Of 64-bit integers.
    I64(Vec<i64>),
}

impl Model<'_> {
    /// The bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut graph = Message::default();
        self.nodes.iter().for_each(|node| graph.message(1, node.to_message()));
        graph.text(2, self.name);
        self.tensors.iter().for_each(|tensor| graph.message(5, tensor.to_message()));
        graph.message(11, value_info(self.input));
        graph.message(12, value_info(self.output));
        let mut operators = Message::default();
        // The empty domain is that of ONNX's own operators.
        operators.text(1, "");
        operators.number(2, OPERATORS_VERSION);
        let mut model = Message::default();
        model.number(1, IR_VERSION);
        model.text(2, self.producer);
        model.message(7, graph);
        model.message(8, operators);
        model.0
    }
}

impl Node {
    fn to_message(&self) -> Message {
        let mut node = Message::default();
        self.inputs.iter().for_each(|input| node.text(1, input));
        node.text(2, &self.output);
        node.text(4, self.operator);
        for (name, value) in &self.attributes {
            let mut attribute = Message::default();
            attribute.text(1, name);
            match value {
                Attribute::Float(value) => {
                    attribute.float(2, *value);
                    attribute.number(20, 1);
                }
                Attribute::Int(value) => {
                    attribute.number(3, *value);
                    attribute.number(20, 2);
                }
                Attribute::Ints(values) => {
                    values.iter().for_each(|value| attribute.number(8, *value as u64));
                    attribute.number(20, 7);
                }
            }
            node.message(5, attribute);
        }
        node
    }
}

impl Tensor {
    fn to_message(&self) -> Message {
        let mut tensor = Message::default();
        self.shape.iter().for_each(|size| tensor.number(1, *size as u64));
        let (kind, raw): (u64, Vec<u8>) = match &self.values {
            Values::F32(values) => (F32, values.iter().flat_map(|v| v.to_le_bytes()).collect()),
            Values::I64(values) => (I64, values.iter().flat_map(|v| v.to_le_bytes()).collect()),
        };
        tensor.number(2, kind);
        tensor.text(8, &self.name);
        tensor.bytes(9, &raw);
        tensor
    }
}

/// Name and type of an input or output: a tensor of f32.
fn value_info((name, shape): (&str, &[usize])) -> Message {
    let mut dimensions = Message::default();
    for size in shape {
        let mut dimension = Message::default();
        dimension.number(1, *size as u64);
        dimensions.message(1, dimension);
    }
    let mut tensor = Message::default();
    tensor.number(1, F32);
    tensor.message(2, dimensions);
    let mut kind = Message::default();
    kind.message(1, tensor);
    let mut info = Message::default();
    info.text(1, name);
    info.message(2, kind);
    info
}

/// A protobuf message under construction.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn number(&mut self, field: u64, value: u64) {
        self.varint(field << 3);
        self.varint(value);
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    fn float(&mut self, field: u64, value: f32) {
        self.varint(field << 3 | 5);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn text(&mut self, field: u64, value: &str) {
        self.bytes(field, value.as_bytes());
    }

    fn message(&mut self, field: u64, value: Message) {
        self.bytes(field, &value.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_written_as_protobuf_says() {
        let node = Node {
            operator: "Gemm",
            inputs: vec!["a".to_owned()],
            output: "b".to_owned(),
            attributes: vec![
                ("k", Attribute::Ints(vec![3, 300])),
                ("t", Attribute::Int(1)),
                ("e", Attribute::Float(1.0)),
            ],
        };
        let expected = "0a0161 120162 220447656d6d 2a0b 0a016b 4003 40ac02 a00107 2a08 0a0174 1801 a00102 2a0b 0a0165 150000803f a00101";
        assert_eq!(hex::encode(node.to_message().0), expected.replace(' ', ""));
        let single = Tensor { name: "c".to_owned(), shape: vec![], values: Values::I64(vec![-1]) };
        assert_eq!(hex::encode(single.to_message().0), "10074201634a08ffffffffffffffff");
    }
}
