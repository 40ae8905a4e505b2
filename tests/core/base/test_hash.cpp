#include <catch2/catch.hpp>
#include <string>

#include "core/base/hash.h"

using namespace rtdetr;

// The three messages and digests are the examples of FIPS 180-4.
TEST_CASE("SHA-256 gives the digests of its standard") {
  Sha256 hash;
  CHECK(hash.hex_digest() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  hash.update(std::string_view("abc"));
  CHECK(hash.hex_digest() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  hash.update(std::string_view("abcdbcdecdefdefgefghfghighijhijk"));
  hash.update(std::string_view("ijkljklmklmnlmnomnopnopq"));
  CHECK(hash.hex_digest() == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}
