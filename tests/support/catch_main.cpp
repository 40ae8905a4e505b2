// The main function of the test programs. Freed memory stays with the process: the maps of one pass after another are
// tens of megabytes each, and to ask the system for fresh pages every time costs a quarter of a large model's test.
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>

#ifdef __GLIBC__
#include <malloc.h>
#endif

int main(int count, char* words[]) {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_MMAP_THRESHOLD, 1 << 30);  // an older glibc refuses it and keeps the value before
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 64 << 20);
#endif
  return Catch::Session().run(count, words);
}
