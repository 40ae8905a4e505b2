#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/io/file.h"
#include "core/io/safetensors.h"
#include "tests/support/fixtures.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;
using Catch::Matchers::Contains;
using rtdetr::test::TemporaryFolder;
using test::values_of;

namespace {

const std::filesystem::path kCheckpoints = test::kFixtures / "pth";

template <typename T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

const std::vector<float> kFloats = {1.5f, -2, 3, 4, 5, 6};
const std::vector<std::int64_t> kCounter = {1234567890123};
const std::vector<std::uint8_t> kMask = {1, 0, 1};

void write_sample(const std::filesystem::path& file) {
  const std::vector<TensorView> tensors = {{"mask", TensorType::kBool, {3}, bytes_of(kMask)},
                                           {"b.weight", TensorType::kF32, {2, 3}, bytes_of(kFloats)},
                                           {"a.count", TensorType::kI64, {}, bytes_of(kCounter)},
                                           {"nothing", TensorType::kF16, {0, 7}, {}}};
  write_safetensors(file, tensors, {{"rtdetr.format", "1"}, {"note", "\"quoted\" and ü"}}, {});
}

/// A file put together by hand: header text, then `payload` zero bytes.
std::string file_of(const std::string& header, std::size_t payload) {
  std::string text;
  for (int i = 0; i < 8; ++i) text += static_cast<char>(std::uint64_t{header.size()} >> (8 * i));
  return text + header + std::string(payload, '\0');
}

/// The refusal's text; "" when the whole file is accepted.
std::string refusal(const std::filesystem::path& file) {
  try {
    SafetensorsReader(file).verify_payload();
  } catch (const CheckpointError& fault) {
    return fault.what();
  }
  return "";
}

std::string refusal(const std::string& content) {
  const TemporaryFolder folder;
  const auto file = folder / "x.safetensors";
  write_file_atomically(file, [&](FileSink& sink) { sink.write(content); }, {.durable = false});
  return refusal(file);
}

}  // namespace

TEST_CASE("tensors and metadata written are read back") {
  const TemporaryFolder folder;
  write_sample(folder / "a.safetensors");
  const SafetensorsReader reader(folder / "a.safetensors");
  reader.verify_payload();
  CHECK(reader.entries().size() == 4);
  CHECK(values_of<float>(reader, "b.weight") == kFloats);
  CHECK(reader.find("b.weight")->shape == std::vector<std::int64_t>{2, 3});
  CHECK(values_of<std::int64_t>(reader, "a.count") == kCounter);
  CHECK(reader.find("a.count")->shape.empty());
  CHECK(values_of<std::uint8_t>(reader, "mask") == kMask);
  CHECK(reader.find("nothing")->bytes == 0);
  CHECK(reader.find("missing") == nullptr);
  CHECK(reader.metadata().at("note") == "\"quoted\" and ü");
  for (const TensorEntry& entry : reader.entries()) CHECK(entry.offset % element_size(entry.type) == 0);
}

TEST_CASE("the tensors of a file begin at a multiple of eight bytes, whatever its header says") {
  const TemporaryFolder folder;
  for (std::size_t length = 0; length < 8; ++length) {
    write_safetensors(folder / "a", {}, {{"note", std::string(length, 'x')}}, {});
    CHECK(std::filesystem::file_size(folder / "a") % 8 == 0);
  }
}

TEST_CASE("the same content gives the same bytes, whatever the order it comes in") {
  const TemporaryFolder folder;
  const TensorView a{"a", TensorType::kF32, {6}, bytes_of(kFloats)}, b{"b", TensorType::kI64, {1}, bytes_of(kCounter)};
  write_safetensors(folder / "1", std::vector{a, b}, {}, {});
  write_safetensors(folder / "2", std::vector{b, a}, {}, {});
  CHECK(read_text_file(folder / "1") == read_text_file(folder / "2"));
}

TEST_CASE("a file without tensors is one, too") {
  const TemporaryFolder folder;
  write_safetensors(folder / "a", {}, {{"k", "v"}}, {});
  CHECK(SafetensorsReader(folder / "a").entries().empty());
  CHECK(refusal(file_of("{}", 0)).empty());
  CHECK(refusal(file_of("{}   ", 0)).empty());
}

TEST_CASE("a file of another program is read with all its values") {
  const SafetensorsReader reader(kCheckpoints / "hf_style.safetensors");
  reader.verify_payload();  // has no hash of ours: nothing to compare
  CHECK(reader.metadata().at("format") == "pt");
  const auto expected = nlohmann::json::parse(read_text_file(kCheckpoints / "expected.json"));
  const auto& tensors = expected["hf_style.safetensors"]["tensors"];
  CHECK(reader.entries().size() == tensors.size());
  for (const auto& [name, tensor] : tensors.items()) {
    INFO(name);
    REQUIRE(reader.find(name));
    CHECK(reader.find(name)->shape == tensor["shape"].get<std::vector<std::int64_t>>());
    if (tensor["dtype"] != "float32") continue;
    const std::vector<float> values = values_of<float>(reader, name);
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (tensor["values"][i].is_number()) CHECK(values[i] == tensor["values"][i].get<float>());
    }
  }
}

TEST_CASE("the damaged files of the fixtures are refused, each for its reason") {
  CHECK_THAT(refusal(kCheckpoints / "bad_header_length.safetensors"), Contains("header of 1152921504606846976 bytes"));
  CHECK_THAT(refusal(kCheckpoints / "bad_offsets.safetensors"), Contains("tensor 'x' needs 16 bytes"));
  CHECK_THAT(refusal(kCheckpoints / "bad_truncated.safetensors"), Contains("cut off"));
}

TEST_CASE("every truncation of a file is refused") {
  const TemporaryFolder folder;
  write_sample(folder / "a");
  const auto size = std::filesystem::file_size(folder / "a");
  for (auto length = size; length-- > 0;) {
    std::filesystem::resize_file(folder / "a", length);
    INFO(length);
    REQUIRE_FALSE(refusal(folder / "a").empty());
  }
}

TEST_CASE("a byte too many is refused") {
  const TemporaryFolder folder;
  write_sample(folder / "a");
  std::filesystem::resize_file(folder / "a", std::filesystem::file_size(folder / "a") + 1);
  CHECK_THAT(refusal(folder / "a"), Contains("the file holds"));
}

TEST_CASE("every flipped bit of a file is found") {
  const TemporaryFolder folder;
  write_sample(folder / "a");
  const std::string good = read_text_file(folder / "a");
  std::fstream file(folder / "a", std::ios::in | std::ios::out | std::ios::binary);
  const auto put = [&](std::size_t at, char byte) {
    file.seekp(static_cast<std::streamoff>(at));
    file.put(byte).flush();
  };
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      put(at, static_cast<char>(good[at] ^ (1 << bit)));
      INFO("byte " << at << ", bit " << bit);
      REQUIRE_FALSE(refusal(folder / "a").empty());
    }
    put(at, good[at]);
  }
  CHECK(refusal(folder / "a").empty());
}

TEST_CASE("a header that breaks a rule of the format is refused") {
  const auto entry = [](const std::string& name, const std::string& shape, std::size_t begin, std::size_t end) {
    return "\"" + name + "\":{\"dtype\":\"F32\",\"shape\":" + shape + ",\"data_offsets\":[" + std::to_string(begin) +
           "," + std::to_string(end) + "]}";
  };
  CHECK(refusal(file_of("{" + entry("a", "[2]", 0, 8) + "," + entry("b", "[1]", 8, 12) + "}", 12)).empty());
  struct Case {
    const char* why;
    std::string header;
    std::size_t payload;
  };
  const std::vector<Case> cases = {
      {"does not start with '{'", " {}", 0},
      {"does not start with '{'", "", 0},
      {"not JSON", "{", 0},
      {"not JSON", "{} x", 0},
      {"NUL", std::string("{}\0", 3), 0},
      {"NUL", std::string("{\0}", 3), 0},
      {"not JSON", "{\"a\":\"\xff\"}", 0},
      {"starts at byte 4", "{" + entry("a", "[1]", 4, 8) + "}", 8},
      {"starts at byte 8", "{" + entry("a", "[1]", 0, 4) + "," + entry("b", "[1]", 8, 12) + "}", 12},
      {"starts at byte 0", "{" + entry("a", "[2]", 0, 8) + "," + entry("b", "[1]", 0, 4) + "}", 8},
      {"take 4 bytes, the file holds 8", "{" + entry("a", "[1]", 0, 4) + "}", 8},
      {"cut off", "{" + entry("a", "[2]", 0, 8) + "}", 4},
      {"needs 4 bytes", "{" + entry("a", "[1]", 0, 8) + "}", 8},
      {"needs 4 bytes", "{" + entry("a", "[1]", 8, 4) + "}", 8},
      {"overflows", "{" + entry("a", "[4294967296,4294967296]", 0, 0) + "}", 0},
      {"overflows", "{" + entry("a", "[1]", 0, 4) + "," + entry("b", "[4611686018427387903]", 4, 0) + "}", 0},
      {"data_offsets are 4 to 0", "{" + entry("a", "[1]", 0, 4) + "," + entry("b", "[1]", 4, 0) + "}", 0},
      {"overflows", "{" + entry("a", "[0,4611686018427387904,4]", 0, 0) + "}", 0},
      {"overflows", "{" + entry("a", "[9223372036854775807,9223372036854775807,0]", 0, 0) + "}", 0},
      {"dimension of 18446744073709551615", "{" + entry("a", "[18446744073709551615]", 0, 4) + "}", 4},
      {"two tensors are named 'a'", "{" + entry("a", "[1]", 0, 4) + "," + entry("a", "[1]", 4, 8) + "}", 8},
      {"two tensors are named 'a'", "{" + entry("a", "[0]", 0, 0) + "," + entry("a", "[0]", 0, 0) + "}", 0},
      {"negative", "{" + entry("a", "[-1]", 0, 4) + "}", 4},
      {"more than 4096 digits", "{" + entry("a", "[" + std::string(5000, '1') + "]", 0, 4) + "}", 4},
      {"a fraction", "{" + entry("a", "[1.0]", 0, 4) + "}", 4},
      {"a list", "{" + entry("a", "[[1]]", 0, 4) + "}", 4},
      {"type 'F33'", "{\"a\":{\"dtype\":\"F33\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4},
      {"lacks", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4},
      {"lacks", "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4},
      {"lacks", "{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4},
      {"lacks", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4},
      {"more than two", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,4]}}", 4},
      {"'dtype' twice", "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4},
      {"'shape' twice", "{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"shape\":[1],\"data_offsets\":[0,4]}}", 4},
      {"text where none belongs", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":\"y\"}}", 4},
      {"text where none belongs", "{\"a\":\"b\"}", 0},
      {"null", "{\"a\":null}", 0},
      {"a number", "{\"__metadata__\":{\"a\":1}}", 0},
      {"an object", "{\"__metadata__\":{\"a\":{}}}", 0},
      {"there twice", "{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0},
      {"two entries named '__metadata__'", "{\"__metadata__\":{},\"__metadata__\":{}}", 0},
      {"only one of", "{\"__metadata__\":{\"rtdetr.payload_sha256\":\"00\"}}", 0},
      {"more than 64 dimensions",
       "{" +
           entry(
               "a",
               "[1" +
                   [] {
                     std::string ones;
                     for (int i = 0; i < 64; ++i) ones += ",1";
                     return ones;
                   }() +
                   "]",
               0, 4) +
           "}",
       4},
      {"where none belongs", "{\"a\":" + std::string(100'000, '['), 0},
  };
  for (const Case& c : cases) {
    INFO(c.header.substr(0, 200));
    CHECK_THAT(refusal(file_of(c.header, c.payload)), Contains(c.why));
  }
}

TEST_CASE("more metadata than any program writes is refused") {
  std::string header = "{\"__metadata__\":{";
  for (int i = 0; i < 10'001; ++i) header += (i ? ",\"" : "\"") + std::to_string(i) + "\":\"\"";
  CHECK_THAT(refusal(file_of(header + "}}", 0)), Contains("more than 10000 metadata entries"));
}

TEST_CASE("a claim of more than the file holds is refused before memory is asked for") {
  const std::string claim = "{\"a\":{\"dtype\":\"F32\",\"shape\":[1073741824],\"data_offsets\":[0,4294967296]}}";
  CHECK_THAT(refusal(file_of(claim, 16)), Contains("cut off"));
  std::string long_header = file_of("{}", 0);
  long_header[3] = 6;  // claims 100,663,298 bytes
  CHECK_THAT(refusal(long_header), Contains("100,000,000 is the most"));
  long_header[3] = 5;
  CHECK_THAT(refusal(long_header), Contains("the whole file has 10"));
}

TEST_CASE("a missing file is an I/O error") {
  CHECK_THROWS_AS(SafetensorsReader("/nonexistent/x.safetensors"), IoError);
}
