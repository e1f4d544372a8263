#include "naming/address_pool.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "naming/address_ledger.h"

namespace mesh {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr Duration kQuarantine = 1h;

class AddressPoolTest : public testing::Test {
 protected:
  std::string take(AddressPool& from, const std::string& owner) {
    from.expire(now);
    const Result<Ipv4> address = from.take(owner);
    return address ? format_ipv4(*address) : address.error().text;
  }

  SystemTime now{1000h};
  AddressPool pool{AddressRange::parse("127.4.0.0/16").value(), kQuarantine};
  AddressPool small{AddressRange::parse("127.4.0.0/30").value(), kQuarantine};
};

TEST_F(AddressPoolTest, BeginsWithTheFirstAddressOfTheRange) {
  EXPECT_EQ(take(pool, "a"), "127.4.0.0");
  EXPECT_EQ(take(pool, "b"), "127.4.0.1");
}

TEST_F(AddressPoolTest, AnOwnerKeepsItsAddress) {
  EXPECT_EQ(take(pool, "a"), "127.4.0.0");
  EXPECT_EQ(take(pool, "a"), "127.4.0.0");
  EXPECT_EQ(pool.held(), 1U);
}

TEST_F(AddressPoolTest, WhoComesBackInTimeGetsTheAddressItHad) {
  take(pool, "a");
  take(pool, "b");
  pool.release("a", now);
  now += 59min;
  EXPECT_EQ(take(pool, "a"), "127.4.0.0");
  EXPECT_EQ(pool.kept_back(), 0U);
}

TEST_F(AddressPoolTest, NobodyElseGetsAnAddressThatMayBeCached) {
  for (const char* owner : {"a", "b", "c", "d"}) take(small, owner);
  small.release("b", now);
  now += 59min;
  EXPECT_THAT(take(small, "e"),
              HasSubstr("the range 127.4.0.0/30 is full: 3 addresses are in use, and 1 are kept back"));
  now += 1min;
  EXPECT_EQ(take(small, "e"), "127.4.0.1");
  EXPECT_FALSE(small.find("b"));
}

TEST_F(AddressPoolTest, AFreeAddressThatWasNeverUsedComesBeforeOneThatWas) {
  take(small, "a");
  small.release("a", now);
  now += 2h;
  EXPECT_EQ(take(small, "b"), "127.4.0.1");
  EXPECT_EQ(take(small, "c"), "127.4.0.2");
  EXPECT_EQ(take(small, "d"), "127.4.0.3");
  EXPECT_EQ(take(small, "e"), "127.4.0.0");
}

TEST_F(AddressPoolTest, WhatWasWrittenDownBeforeIsKept) {
  const AddressPool::Holder held{"a", {}};
  const AddressPool::Holder freed{"b", now};
  EXPECT_TRUE(pool.set(*parse_ipv4("127.4.0.7"), &held));
  EXPECT_TRUE(pool.set(*parse_ipv4("127.4.0.9"), &freed));
  EXPECT_FALSE(pool.set(*parse_ipv4("127.9.0.9"), &held));
  EXPECT_FALSE(pool.set(*parse_ipv4("127.4.0.8"), &held)) << "it has one already";
  EXPECT_EQ(take(pool, "a"), "127.4.0.7");
  EXPECT_EQ(take(pool, "c"), "127.4.0.10");
  EXPECT_EQ(take(pool, "b"), "127.4.0.9");
}

TEST_F(AddressPoolTest, TheMachinesOwnLoopbackAddressIsNotGiven) {
  AddressPool loopback(AddressRange::parse("127.0.0.0/8").value(), kQuarantine);
  EXPECT_EQ(take(loopback, "a"), "127.0.0.2");
  AddressPool end(AddressRange::parse("127.255.255.254/31").value(), kQuarantine);
  EXPECT_EQ(take(end, "a"), "127.255.255.254");
  EXPECT_THAT(take(end, "b"), HasSubstr("is full"));
}

TEST_F(AddressPoolTest, RangesWithinItThatAreOthersAreLeftOut) {
  const auto range = [](const char* text) { return AddressRange::parse(text).value(); };
  AddressPool outer(range("240.0.0.0/29"), kQuarantine,
                    {range("240.0.0.1/32"), range("240.0.0.4/30"), range("10.0.0.0/8")});
  for (const char* wanted : {"240.0.0.0", "240.0.0.2", "240.0.0.3"}) EXPECT_EQ(take(outer, wanted), wanted);
  EXPECT_THAT(take(outer, "one-more"), HasSubstr("is full"));
  const AddressPool::Holder holder{"b", {}};
  EXPECT_FALSE(outer.set(*parse_ipv4("240.0.0.5"), &holder));
}

TEST_F(AddressPoolTest, TheLastAddressOfAllIsNoSpecialCase) {
  AddressPool top(AddressRange::parse("255.255.255.254/31").value(), 0s);
  EXPECT_EQ(take(top, "a"), "255.255.255.254");
  EXPECT_EQ(take(top, "b"), "255.255.255.255");
  top.release("a", now);
  EXPECT_EQ(take(top, "c"), "255.255.255.254");
  EXPECT_THAT(take(top, "d"), HasSubstr("is full"));
}

TEST_F(AddressPoolTest, ARangeFillsUpToItsLastAddress) {
  for (int i = 0; i < 65'536; ++i) ASSERT_TRUE(pool.take(fmt::format("service-{}", i))) << i;
  EXPECT_EQ(pool.held(), 65'536U);
  EXPECT_THAT(take(pool, "one-more"), HasSubstr("is full: 65536 addresses are in use"));
}

TEST_F(AddressPoolTest, OneServiceMoreAmongAllThatARangeHoldsIsWrittenInOneBlock) {
  const auto range = [](const char* text) { return AddressRange::parse(text).value(); };
  AddressLedger ledger({range("127.1.0.0/16"), range("127.4.0.0/16"), range("127.3.0.0/16"), range("127.2.0.0/16")},
                       kQuarantine);
  for (int i = 0; i < 65'000; ++i) ASSERT_TRUE(ledger.take(fmt::format("msvc/default/s{}", i))) << i;
  EXPECT_EQ(ledger.take_writes().size(), 254U);  // of 256 addresses each
  ASSERT_TRUE(ledger.take("msvc/default/one-more"));
  const auto writes = ledger.take_writes();
  ASSERT_LE(writes.size(), 1U);  // none: the last block waits for the store
  EXPECT_TRUE(ledger.take_writes().empty());
}

TEST_F(AddressPoolTest, UnderAnyOrderOfComingAndGoingNoAddressHasTwoOwners) {
  std::mt19937 random(7);
  std::map<std::string, Ipv4> expected;
  AddressPool tight(AddressRange::parse("127.4.0.0/24").value(), kQuarantine);
  for (int i = 0; i < 3'000; ++i) {
    now += std::chrono::minutes(random() % 3);
    const std::string owner = fmt::format("s{}", random() % 200);
    tight.expire(now);
    if (random() % 2 == 0) {
      tight.release(owner, now);
      expected.erase(owner);
    } else if (const Result<Ipv4> address = tight.take(owner)) {
      expected[owner] = *address;
    }
    std::set<Ipv4> distinct;
    for (const auto& [name, address] : expected) {
      ASSERT_EQ(tight.find(name), address);
      distinct.insert(address);
    }
    ASSERT_EQ(distinct.size(), expected.size());
    ASSERT_EQ(tight.held(), expected.size());
  }
}

}  // namespace
}  // namespace mesh
