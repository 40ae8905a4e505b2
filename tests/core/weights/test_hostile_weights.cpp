#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <set>

#include "core/base/error.h"
#include "core/io/file.h"
#include "core/weights/weights_file.h"
#include "tests/support/hostile/hostile_weights.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;
using namespace rtdetr::test;

/// Hostile files of weights are refused with a reason, or read without harm, within bounds of memory.
/// tests/core/weights/watch_hostile_weights shows besides that nothing is executed, opened or called on the way.
namespace {

void write(const std::filesystem::path& file, const std::string& bytes) {
  write_file_atomically(file, [&](FileSink& sink) { sink.write(bytes); }, {.durable = false});
}

/// "" when everything was read, or the refusal. A fault of ours passes through.
std::string outcome(const std::filesystem::path& path) {
  try {
    const auto file = open_weights(path);
    for (const WeightTensor& tensor : file->tensors()) {
      std::vector<std::byte> values(tensor.bytes);
      file->read(tensor, values);
    }
  } catch (const CheckpointError& refused) {
    return refused.what();
  }
  return "";
}

bool is_printable(const std::string& message) {
  return std::none_of(message.begin(), message.end(), [](char c) { return (c >= 0 && c < 0x20) || c == 0x7F; });
}

/// Peak of resident memory of a process that reads the file, in bytes.
std::size_t peak_memory(const std::filesystem::path& file, const std::filesystem::path& said) {
  const std::string line = "'" RTDETR_READ_WEIGHTS "' --peak '" + file.string() + "' >'" + said.string() + "'";
  CHECK(std::system(line.c_str()) == 0);
  const std::string text = read_text_file(said);
  const std::size_t at = text.rfind("VmHWM:");
  REQUIRE(at != std::string::npos);
  return std::stoull(text.substr(at + 6)) << 10;
}

}  // namespace

TEST_CASE("there are more than two hundred hostile files, each with a name of its own") {
  std::set<std::string> names;
  const HostileFiles files = hostile_weights();
  for (const HostileFile& file : files) CHECK(names.insert(file.name).second);
  CHECK(files.size() > 400);
}

TEST_CASE("a hostile file of weights is refused with its reason, or read when it is legal") {
  const TemporaryFolder folder;
  for (const HostileFile& file : hostile_weights()) {
    INFO(file.name);
    write(folder / "x.pth", file.bytes);
    const std::string message = outcome(folder / "x.pth");
    INFO(message);
    if (file.verdict == HostileFile::kRefuse) CHECK_FALSE(message.empty());
    if (file.verdict == HostileFile::kRead) CHECK(message.empty());
    CHECK((message.empty() || message.find(file.says) != std::string::npos));
    CHECK(is_printable(message));
    CHECK(message.size() < 1000);
  }
}

TEST_CASE("a file that asks for much is read within three times its size and 256 MiB") {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  const TemporaryFolder folder;
  HostileFiles files;
  add_bombs(files);
  for (const HostileFile& file : files) {
    INFO(file.name);
    write(folder / "x.pth", file.bytes);
    CHECK(peak_memory(folder / "x.pth", folder / "said") <= 3 * file.bytes.size() + (std::size_t{256} << 20));
  }
#endif
}
