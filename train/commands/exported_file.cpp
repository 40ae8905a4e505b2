#include "train/commands/exported_file.h"

#include "train/process/stop_signal.h"

namespace rtdetr {

namespace fs = std::filesystem;

void write_exported(const fs::path& target, const std::function<void(const AtomicWriteOptions&)>& write,
                    const std::function<void(const fs::path&)>& verify) {
  remove_leftover_temporaries_of(target);
  AtomicWriteOptions options;
  options.verify = [&](const fs::path& unpublished) {
    verify(unpublished);
    StopSignals::leave_if_requested(kNothingWritten);
  };
  synced_or_said([&] { write(options); });
}

}  // namespace rtdetr
