#include "core/base/give_back.h"

#include <cstdlib>  // __GLIBC__

#if defined(__GLIBC__)
#include <malloc.h>
#endif

/// tcmalloc's, where the program runs with it (train/process/allocator.h); C's malloc_trim does nothing there.
extern "C" __attribute__((weak)) void MallocExtension_ReleaseFreeMemory();

namespace rtdetr {

void give_back_freed_memory() {
  if (MallocExtension_ReleaseFreeMemory) return MallocExtension_ReleaseFreeMemory();
#if defined(__GLIBC__)
  ::malloc_trim(0);
#endif
}

}  // namespace rtdetr
