#include "core/io/yaml.h"
#include "core/io/yaml_writer.h"
#include "data/dataset/dataset.h"
#include "tests/fuzz/fuzz_target.h"

using namespace rtdetr;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run([&] {
    const YamlDocument document = parse_yaml(fuzz::text_of(data, size), "d.yaml");
    // What was read can be written and read back to the same text, if it is a map as our files are.
    if (document.root.is_map() && !document.root.entries.empty()) {
      const std::string written = write_yaml(document.root);
      fuzz::expect(write_yaml(parse_yaml(written, "again").root) == written);
    }
    parse_dataset_config(fuzz::text_of(data, size), "/nowhere/d.yaml");
  });
}
