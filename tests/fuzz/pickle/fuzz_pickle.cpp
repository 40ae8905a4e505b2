#include "core/weights/pickle_machine.h"
#include "core/weights/torch_walk.h"
#include "tests/fuzz/fuzz_target.h"

using namespace rtdetr;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return fuzz::run([&] {
    constexpr std::uint64_t kMost = std::uint64_t{1} << 20;
    PickleTree tree;
    tree.text = fuzz::text_of(data, size);
    std::size_t at = 0;
    const PickleId root = PickleMachine(tree, "m.pth").read(at);
    fuzz::expect(at <= size);
    const WalkedWeights weights = walk_weights(tree, root, kMost, "m.pth");
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < weights.tensors.size(); ++i) {
      const NamedView& named = weights.views[i];
      const StorageRange range = storage_range(named.view);
      const std::uint64_t whole = tree.storages[named.storage].bytes;
      fuzz::expect(range.begin <= whole && range.bytes <= whole - range.begin);
      total += weights.tensors[i].bytes;
      if (range.bytes > kMost) continue;
      const std::vector<std::byte> bytes(range.bytes);
      std::vector<std::byte> out(weights.tensors[i].bytes);
      lay_out(named.view, bytes, out);
    }
    fuzz::expect(total <= kMost);
  });
}
