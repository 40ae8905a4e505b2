#pragma once

/// Numbers of onnx.proto's fields, by message, and of AttributeProto's types.
namespace rtdetr::onnx_field {

namespace model {
enum { kIrVersion = 1, kProducerName = 2, kProducerVersion = 3, kGraph = 7, kOpsets = 8, kMetadata = 14 };
}
namespace opset {
enum { kDomain = 1, kVersion = 2 };
}
namespace entry {
enum { kKey = 1, kValue = 2 };
}
namespace graph {
enum { kNodes = 1, kName = 2, kInitializers = 5, kInputs = 11, kOutputs = 12 };
}
namespace node {
enum { kInputs = 1, kOutputs = 2, kName = 3, kOp = 4, kAttributes = 5 };
}
namespace attribute {
enum { kName = 1, kFloat = 2, kInteger = 3, kText = 4, kTensor = 5, kFloats = 7, kIntegers = 8, kType = 20 };
enum { kFloatType = 1, kIntegerType = 2, kTextType = 3, kTensorType = 4, kFloatsType = 6, kIntegersType = 7 };
/// By the alternatives of OnnxAttribute.
inline constexpr int kTypes[] = {kIntegerType, kFloatType, kTextType, kIntegersType, kFloatsType, kTensorType};
}  // namespace attribute
namespace tensor {
enum { kDims = 1, kType = 2, kName = 8, kData = 9 };
}
namespace value {
enum { kName = 1, kType = 2 };
}
namespace type {
enum { kTensor = 1 };
}
namespace tensor_type {
enum { kElement = 1, kShape = 2 };
}
namespace shape {
enum { kDimensions = 1 };
}
namespace dimension {
enum { kSize = 1, kName = 2 };
}

}  // namespace rtdetr::onnx_field
