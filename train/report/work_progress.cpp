#include "train/report/work_progress.h"

#include <algorithm>

#include "core/base/log.h"
#include "core/base/text.h"

namespace rtdetr {

void WorkProgress::show(std::int64_t done) const { log::progress(line(done, watch_.seconds())); }

std::string WorkProgress::line(std::int64_t done, double seconds) const {
  const double rate = static_cast<double>(done) / std::max(seconds, 1e-9);
  return what_ + with_thousands(done) + " of " + with_thousands(total_) + " pictures, " + fixed(rate, 1) +
         " pictures/s, " + format_duration(static_cast<double>(total_ - done) / rate) + " left";
}

}  // namespace rtdetr
