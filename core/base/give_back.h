#pragma once

namespace rtdetr {

/// Gives the system the pages between what is allocated, which the C library would keep for later. For after much was
/// freed for good.
void give_back_freed_memory();

}  // namespace rtdetr
