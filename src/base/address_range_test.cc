#include "base/address_range.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mesh {
namespace {

using testing::HasSubstr;

TEST(AddressRange, SpansWhatItsPrefixLeavesOpen) {
  const AddressRange range = AddressRange::parse("127.1.0.0/16").value();
  EXPECT_EQ(format_ipv4(range.first), "127.1.0.0");
  EXPECT_EQ(format_ipv4(range.last), "127.1.255.255");
  EXPECT_EQ(range.size(), 65536U);
  EXPECT_TRUE(range.contains(*parse_ipv4("127.1.2.3")));
  EXPECT_FALSE(range.contains(*parse_ipv4("127.2.0.0")));
  EXPECT_EQ(range.to_string(), "127.1.0.0/16");
}

TEST(AddressRange, MayBeOneAddressOrAll) {
  EXPECT_EQ(AddressRange::parse("10.0.0.1/32").value().size(), 1U);
  EXPECT_EQ(AddressRange::parse("0.0.0.0/0").value().size(), 1ULL << 32);
  EXPECT_EQ(AddressRange::parse("0.0.0.0/0").value().to_string(), "0.0.0.0/0");
}

TEST(AddressRange, KnowsWhetherItLeavesTheMachine) {
  EXPECT_TRUE(AddressRange::parse("127.0.0.0/8").value().is_loopback());
  EXPECT_FALSE(AddressRange::parse("240.0.0.0/4").value().is_loopback());
  EXPECT_FALSE(AddressRange::parse("126.0.0.0/7").value().is_loopback());
}

TEST(AddressRange, OverlapsWithWhatSharesAnAddress) {
  const AddressRange range = AddressRange::parse("127.1.0.0/16").value();
  EXPECT_TRUE(range.overlaps(AddressRange::parse("127.0.0.0/8").value()));
  EXPECT_FALSE(range.overlaps(AddressRange::parse("127.2.0.0/16").value()));
}

TEST(AddressRange, RefusesWhatIsNone) {
  for (const char* text :
       {"", "127.1.0.0", "127.1.0.0/33", "127.1.0/16", "127.1.0.256/16", "x/8", "127.1.0.0/", "1.2.3.4.5/8"})
    EXPECT_FALSE(AddressRange::parse(text)) << text;
  EXPECT_THAT(AddressRange::parse("fd00::/8").error().text, HasSubstr("IPv6"));
}

}  // namespace
}  // namespace mesh
