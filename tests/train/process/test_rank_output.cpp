#include "train/process/rank_output.h"

#include <catch2/catch.hpp>
#include <string>

#include <fcntl.h>
#include <unistd.h>

#include "core/base/descriptor.h"
#include "core/io/file.h"
#include "tests/support/temporary_folder.h"

using namespace rtdetr;

TEST_CASE("lines of a rank have its number before them, and objects of JSON have it as a member") {
  const test::TemporaryFolder folder;
  const Descriptor to(::open((folder / "out").c_str(), O_WRONLY | O_CREAT, 0600));
  const std::string written = "said\n{\"type\":\"message\",\"text\":\"a\"}\n{no event}\nwithout an end";
  {
    RankOutput output(to.number());
    Descriptor rank = output.open(3);
    REQUIRE(::write(rank.number(), written.data(), written.size()) == static_cast<ssize_t>(written.size()));
    output.serve();
    rank.close();
    output.finish(5);
  }
  CHECK(read_text_file(folder / "out") ==
        "rank 3: said\n{\"rank\":3,\"type\":\"message\",\"text\":\"a\"}\nrank 3: {no event}\nrank 3: without an end\n");
}
