#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/io/file.h"
#include "core/weights/weights_file.h"
#include "tests/support/fixtures.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/torch_files.h"

using namespace rtdetr;
using namespace rtdetr::test;
using Catch::Matchers::Contains;
using Json = nlohmann::json;

namespace {

double half_value(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  const double magnitude = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}

template <typename T, typename Convert>
std::vector<double> converted(const std::vector<std::byte>& bytes, Convert&& convert) {
  std::vector<double> values;
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(T)) {
    T element;
    std::memcpy(&element, bytes.data() + at, sizeof(T));
    values.push_back(convert(element));
  }
  return values;
}

template <typename T>
std::vector<double> plain(const std::vector<std::byte>& bytes) {
  return converted<T>(bytes, [](T value) { return static_cast<double>(value); });
}

std::vector<double> values_in(const WeightsFile& file, const std::string& name) {
  const WeightTensor* tensor = file.find(name);
  REQUIRE(tensor);
  std::vector<std::byte> bytes(tensor->bytes);
  file.read(*tensor, bytes);
  switch (tensor->type) {
    case TensorType::kF64:
      return plain<double>(bytes);
    case TensorType::kF32:
      return plain<float>(bytes);
    case TensorType::kF16:
      return converted<std::uint16_t>(bytes, half_value);
    case TensorType::kBF16:
      return converted<std::uint16_t>(
          bytes, [](std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); });
    case TensorType::kI64:
      return plain<std::int64_t>(bytes);
    case TensorType::kI32:
      return plain<std::int32_t>(bytes);
    case TensorType::kI16:
      return plain<std::int16_t>(bytes);
    case TensorType::kI8:
      return plain<std::int8_t>(bytes);
    case TensorType::kU8:
    case TensorType::kBool:
      return plain<std::uint8_t>(bytes);
  }
  return {};
}

double expected_value(const Json& value) {
  if (value.is_number()) return value.get<double>();
  return std::stod(value.get<std::string>());
}

TensorType type_called(const std::string& name) {
  const std::map<std::string, TensorType> types = {{"float64", TensorType::kF64}, {"float32", TensorType::kF32},
                                                   {"float16", TensorType::kF16}, {"bfloat16", TensorType::kBF16},
                                                   {"int64", TensorType::kI64},   {"int32", TensorType::kI32},
                                                   {"int16", TensorType::kI16},   {"int8", TensorType::kI8},
                                                   {"uint8", TensorType::kU8},    {"bool", TensorType::kBool}};
  return types.at(name);
}

/// Compares every tensor below `prefix` with the values that torch gave. @return  how many there are
std::size_t check_tensors(const WeightsFile& file, const Json& expected, const std::string& prefix) {
  for (const auto& [name, tensor] : expected.items()) {
    INFO(prefix + name);
    const WeightTensor* found = file.find(prefix + name);
    REQUIRE(found);
    CHECK(found->type == type_called(tensor["dtype"]));
    CHECK(found->shape == tensor["shape"].get<std::vector<std::int64_t>>());
    const std::vector<double> values = values_in(file, prefix + name);
    REQUIRE(values.size() == tensor["values"].size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double wanted = expected_value(tensor["values"][i]);
      CHECK((values[i] == wanted || (std::isnan(values[i]) && std::isnan(wanted))));
    }
  }
  return expected.size();
}

std::string why_refused(const std::filesystem::path& file) {
  try {
    open_weights(file);
  } catch (const CheckpointError& fault) {
    return fault.what();
  }
  return "";
}

std::unique_ptr<WeightsFile> opened(const std::string& content) {
  const TemporaryFolder folder;
  const auto file = folder / "x.pth";
  write_file_atomically(file, [&](FileSink& sink) { sink.write(content); }, {.durable = false});
  return open_weights(file);  // stays open when the folder is gone
}

}  // namespace

TEST_CASE("every tensor of the files that torch wrote has its values, in archives and in old streams") {
  const auto folder = kFixtures / "pth";
  const Json expected = Json::parse(read_text_file(folder / "expected.json"));
  const std::map<std::string, std::string> prefixes = {{"model_only.pth", "model."},
                                                       {"released_style.pth", "ema.module."},
                                                       {"training_v1.pth", "ema.module."},
                                                       {"legacy_format.pth", "model."},
                                                       {"odd_tensors.pth", ""},
                                                       {"odd_tensors_legacy.pth", ""},
                                                       {"hf_style.safetensors", ""}};
  for (const auto& [name, prefix] : prefixes) {
    INFO(name);
    const auto file = open_weights(folder / name);
    CHECK(check_tensors(*file, expected[name]["tensors"], prefix) > 0);
    if (name != "training_v1.pth") CHECK(file->tensors().size() == expected[name]["tensors"].size());
  }
}

TEST_CASE("a training checkpoint's counters, rates and optimizer state are there by their paths") {
  const auto folder = kFixtures / "pth";
  const Json expected = Json::parse(read_text_file(folder / "expected.json"))["training_v1.pth"];
  const auto file = open_weights(folder / "training_v1.pth");
  CHECK(file->metadata().at("ema.updates") == "4321");
  CHECK(file->metadata().at("last_epoch") == "7");
  CHECK(std::stod(file->metadata().at("optimizer.param_groups.0.lr")) == 1e-5);
  for (const auto& [number, state] : expected["optimizer"].items()) {
    const std::vector<double> averages = values_in(*file, "optimizer.state." + number + ".exp_avg");
    REQUIRE(averages.size() == state["exp_avg"].size());
    for (std::size_t i = 0; i < averages.size(); ++i) CHECK(averages[i] == state["exp_avg"][i].get<double>());
  }
}

TEST_CASE("a pickled model of Ultralytics gives its tensors by module path, and its attributes, without its code") {
  const auto file = open_weights(kFixtures / "interop/ultralytics_rtdetr-tiny_stripped.pt");
  const WeightTensor* stem = file->find("model.model.0.stem1.conv.weight");
  REQUIRE(stem);
  CHECK(stem->type == TensorType::kF16);
  CHECK(stem->shape.size() == 4);
  CHECK(file->find("model.model.0.stem1.bn.running_var"));
  CHECK(file->find("model.model.0.stem1.bn.num_batches_tracked")->type == TensorType::kI64);
  CHECK(file->metadata().at("model.model.0.stem1.bn.eps") == "0.001");
  CHECK(file->metadata().contains("model.names.0"));
  CHECK(file->metadata().contains("model.yaml.nc"));
  for (const WeightTensor& tensor : file->tensors()) CHECK(tensor.name.find("anchors") == std::string::npos);
}

TEST_CASE("a fused model of Ultralytics, whose modules hold a method of their own, is read as well") {
  const auto file = open_weights(kFixtures / "interop/ultralytics_rtdetr-tiny_fused.pt");
  CHECK(file->find("model.model.0.stem1.conv.bias"));
  CHECK(file->find("model.model.0.stem1.bn.weight") == nullptr);
}

TEST_CASE("official training checkpoints are read whole: weights, average, optimizer and schedule") {
  for (const char* name : {"official_v1_basic.pth", "official_v2_bottleneck.pth"}) {
    INFO(name);
    const auto file = open_weights(kFixtures / "interop" / name);
    CHECK(file->find("ema.module.backbone.conv1.conv1_1.conv.weight"));
    CHECK(file->find("model.backbone.conv1.conv1_1.conv.weight"));
    CHECK(file->find("optimizer.state.0.exp_avg"));
    CHECK(file->metadata().contains("last_epoch"));
  }
}

TEST_CASE("damaged files and a pickle that calls a function are refused by name") {
  const auto folder = kFixtures / "pth";
  CHECK_THAT(why_refused(folder / "bad_function_call.pth"), Contains("'__builtin__ print'") && Contains("executed"));
  CHECK_THAT(why_refused(folder / "bad_truncated.pth"), Contains("cut off"));
  CHECK_THAT(why_refused(folder / "bad_text.pth"), Contains("Git LFS"));
}

TEST_CASE("protocols 4 and 5 are read as protocol 2 is") {
  for (const int protocol : {3, 4, 5}) {
    const std::string named =
        "\x8c\x0b"
        "collections\x94\x8c\x0bOrderedDict\x94\x93";
    const std::string state = named +
                              ")R\x94(\x8c\x01"
                              "a" +
                              tensor() + "u";
    const auto file = opened(archive(parts_of(pickle(state, protocol))));
    CHECK(values_in(*file, "a") == std::vector<double>{1, 2, 3, 4});
  }
}

TEST_CASE("a tensor is laid out from whatever view of its storage it is") {
  const auto view = [](const char* name, std::int64_t offset, const std::string& size, const std::string& stride) {
    return values_in(*opened(file_of(dictionary({text(name), tensor(storage(), offset, size, stride)}))), name);
  };
  const auto pair = [](std::int64_t a, std::int64_t b) { return tuple({integer(a), integer(b)}); };
  using Values = std::vector<double>;
  CHECK(view("transposed", 0, pair(2, 2), pair(1, 2)) == Values{1, 3, 2, 4});
  CHECK(view("overlapping", 0, pair(3, 2), pair(1, 1)) == Values{1, 2, 2, 3, 3, 4});
  CHECK(view("expanded", 3, pair(5, 2), pair(0, 0)) == Values(10, 4));
  CHECK(view("last", 3, pair(1, 1), pair(1ll << 62, 1ll << 62)) == Values{4});
  CHECK(view("empty", 9, pair(0, 1ll << 40), pair(1ll << 62, 1ll << 62)).empty());
  CHECK_THROWS_WITH(view("too_wide", 0, pair(0, 1ll << 62), pair(1, 1)), Contains("has a size that overflows"));
  CHECK(view("number", 2, ")", ")") == Values{3});
}

TEST_CASE("parameters, typed tensors and NumPy numbers are understood") {
  const std::string parameter = call(global("torch._utils", "_rebuild_parameter"), {tensor(), kYes, no_hooks()});
  const std::string untyped =
      tuple({text("storage"), global("torch.storage", "UntypedStorage"), text("0"), text("cpu"), integer(16)}) + "Q";
  const std::string typed = call(
      global("torch._utils", "_rebuild_tensor_v3"),
      {untyped, integer(1), tuple({integer(3)}), tuple({integer(1)}), kNo, no_hooks(), global("torch", "float32")});
  CHECK(values_in(*opened(file_of(dictionary({text("p"), parameter}))), "p").size() == 4);
  CHECK(values_in(*opened(file_of(dictionary({text("t"), typed}))), "t") == std::vector<double>{2, 3, 4});
  for (const char* module : {"numpy.core.multiarray", "numpy._core.multiarray"}) {
    const std::string type = call(global("numpy", "dtype"), {text("f8"), kNo, kYes}) +
                             tuple({integer(3), text("<"), kNothing, kNothing, kNothing, integer(-1)}) + "b";
    // 0.5 is 00 00 00 00 00 00 e0 3f; protocol 2 has its bytes as characters
    const std::string bytes =
        call(global("_codecs", "encode"), {text(std::string("\0\0\0\0\0\0\xc3\xa0\x3f", 9)), text("latin1")});
    const std::string number = call(global(module, "scalar"), {type, bytes});
    CHECK(opened(file_of(dictionary({text("fitness"), number})))->metadata().at("fitness") == "0.5");
  }
}

TEST_CASE("one storage may be the values of several tensors, and one module may have two names") {
  const auto shared = opened(file_of(dictionary({text("a"), tensor() + "q\x05", text("b"), "h\x05"})));
  CHECK(values_in(*shared, "a") == values_in(*shared, "b"));
  const std::string module =
      object(global("torch.nn.modules.linear", "Linear"),
             dictionary({text("_parameters"), dictionary({text("weight"), tensor()}), text("_buffers"), no_hooks(),
                         text("_modules"), no_hooks(), text("eps"), real(1e-3)}));
  const auto twice = opened(file_of(dictionary({text("x"), module + "q\x05", text("y"), "h\x05"})));
  CHECK(twice->find("x.weight"));
  CHECK(twice->find("y.weight"));
  CHECK(twice->metadata().at("y.eps") == "0.001");
}

TEST_CASE("buffers that are not saved with a module are left out") {
  const std::string state =
      dictionary({text("_parameters"), no_hooks(), text("_buffers"),
                  dictionary({text("kept"), tensor(), text("cache"), tensor()}), text("_modules"), no_hooks(),
                  text("_non_persistent_buffers_set"), call(global("__builtin__", "set"), {list({text("cache")})})});
  const auto file = opened(file_of(object(global("ultralytics.nn.modules.head", "RTDETRDecoder"), state)));
  REQUIRE(file->tensors().size() == 1);
  CHECK(file->tensors()[0].name == "kept");
}

TEST_CASE("a truth value that is stored as something else than 0 or 1 is read as true") {
  std::vector<ZipPart> parts =
      parts_of(pickle(dictionary({text("m"), tensor(storage({.type = "BoolStorage", .count = 3}), 0,
                                                    tuple({integer(3)}), tuple({integer(1)}))})),
               std::string("\0\7\1", 3));
  CHECK(values_in(*opened(archive(parts)), "m") == std::vector<double>{0, 1, 1});
}

TEST_CASE("a safetensors file whose header is as long as a pickle's first bytes say is none the less one") {
  const TemporaryFolder folder;
  const std::string header = "{" + std::string(638, ' ') + "}";  // 640: 80 02
  const std::string content = StreamText::integer_bytes(header.size()) + header;
  write_file_atomically(folder / "a", [&](FileSink& sink) { sink.write(content); }, {.durable = false});
  CHECK(open_weights(folder / "a")->format() == std::string("safetensors"));
}

TEST_CASE("another file under PyTorch's name is said to be one") {
  const TemporaryFolder folder;
  write_file_atomically(folder / "a.pth", [&](FileSink& sink) { sink.write("model: rtdetr\n"); }, {.durable = false});
  CHECK_THAT(why_refused(folder / "a.pth"), Contains("neither as an archive nor as a pickle"));
}
