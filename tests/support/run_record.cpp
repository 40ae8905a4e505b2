#include "tests/support/run_record.h"

#include "core/base/text.h"
#include "core/io/file.h"
#include "core/io/safetensors.h"
#include "core/tensor/tensor_file.h"
#include "train/run/state_hash.h"

namespace rtdetr::test {

std::string state_of(const std::filesystem::path& run) {
  return state_hash(SafetensorsReader(run / "last.safetensors"));
}

std::string record_of(const std::filesystem::path& run) {
  std::string text;
  for (const std::string& line : split(read_text_file(run / "log.jsonl"), '\n')) {
    if (line.find(R"("event":"step")") != std::string::npos) text += line + "\n";
  }
  for (const std::string& line : split(read_text_file(run / "results.csv"), '\n')) {
    const auto first = line.find(',');
    if (first != std::string::npos) text += line.substr(0, first) + line.substr(line.find(',', first + 1)) + "\n";
  }
  return text;
}

int whole_checkpoints(const std::filesystem::path& run) {
  int count = 0;
  for (const char* name : {"last.safetensors", "last-1.safetensors"}) {
    if (!std::filesystem::exists(run / name)) continue;
    load_tensors(run / name);
    ++count;
  }
  return count;
}

}  // namespace rtdetr::test
