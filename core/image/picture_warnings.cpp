#include "core/image/picture_warnings.h"

#include <mutex>
#include <set>

#include "core/base/log.h"
#include "core/base/text.h"

namespace rtdetr {

void PictureWarnings::add(const std::filesystem::path& file, const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings) {
    Kind& kind = kinds_[warning];
    if (++kind.count == 1) kind.first = file.string();
  }
}

void PictureWarnings::report() const {
  static std::mutex mutex;
  static std::set<std::string> said;
  for (const auto& [warning, kind] : kinds_) {
    const bool one = kind.count == 1;
    const std::string text = counted(kind.count, "picture") + (one ? " is" : " are") +
                             " read whole, though the decoder warns: " + warning + " (" + kind.first +
                             (one ? ")" : ", …)");
    const std::lock_guard lock(mutex);
    if (said.insert(text).second) log::warning(text);
  }
}

}  // namespace rtdetr
