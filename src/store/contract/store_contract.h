// What every store must do. A backend's test includes this once and says how to make an empty store:
//   INSTANTIATE_TEST_SUITE_P(Memory, StoreContract, testing::Values(Backend{"memory", [] { … }}));
#pragma once

#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <latch>
#include <map>
#include <memory>
#include <thread>

#include "store/contract/writes.h"
#include "store/store.h"

namespace mesh::contract {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

struct Backend {
  std::string name;
  std::function<std::unique_ptr<Store>()> make;  // an empty store
  std::function<std::unique_ptr<Store>(std::size_t remembered_deletions)> make_with_short_memory;
};

inline void PrintTo(const Backend& backend, std::ostream* out) { *out << backend.name; }

class StoreContract : public testing::TestWithParam<Backend> {
 protected:
  void SetUp() override { write_ok(only(put(mesh_key("prod")))); }

  Revision write_ok(std::vector<Write> writes) {
    const Result<Revision> revision = store->write(std::move(writes));
    EXPECT_TRUE(revision.has_value()) << (revision.has_value() ? "" : revision.error().message());
    return revision.value_or(0);
  }
  ErrorKind refused(std::vector<Write> writes) {
    const Result<Revision> revision = store->write(std::move(writes));
    EXPECT_FALSE(revision.has_value());
    return revision.has_value() ? ErrorKind::Internal : revision.error().kind;
  }
  bool is_there(const ResourceKey& key) const { return store->get(key).has_value(); }
  ChangeBatch changes(Revision after) { return store->wait_for_changes(after, {}).value(); }
  Page list(Query query) const { return store->list(query).value(); }

  std::unique_ptr<Store> store = GetParam().make();
};

// ---- one resource

TEST_P(StoreContract, GivesBackWhatWasPut) {
  Resource resource =
      make_resource(widget_key("prod", "a"), {.color = "blue", .extra = {{"deep", {1, 2.5, "x", nullptr}}}});
  resource.labels = {{"team", "red"}, {"kuma.io/zone", "east \"1\""}};
  resource.created = SystemTime(1'700'000'000'123'456'789ns);
  resource.modified = SystemTime(1'700'000'001s);

  const Revision revision = write_ok(only(put(resource)));

  const Resource stored = store->get(resource.key).value();
  EXPECT_EQ(stored.key, resource.key);
  EXPECT_EQ(stored.labels, resource.labels);
  EXPECT_EQ(stored.created, resource.created);
  EXPECT_EQ(stored.modified, resource.modified);
  EXPECT_EQ(stored.revision, revision);
  EXPECT_EQ(stored.spec_as<TestSpec>(), resource.spec_as<TestSpec>());
}

TEST_P(StoreContract, KeepsSpecsOfEveryShape) {
  const boost::json::value shapes[] = {nullptr,
                                       true,
                                       -1,
                                       18446744073709551615ULL,
                                       0.1,
                                       1e300,
                                       "",
                                       "zero\0inside",
                                       "\u00e4\u20ac\U0001F600 \"\\\n\t",
                                       boost::json::array{},
                                       boost::json::object{},
                                       boost::json::array{{}, {boost::json::object{{"a", {1, {2, {3}}}}}}},
                                       boost::json::string(200'000, 'x')};
  for (const boost::json::value& shape : shapes) {
    write_ok(only(put(make_resource(widget_key("prod", "shape"), {.color = "any", .extra = shape}))));
    EXPECT_EQ(store->get(widget_key("prod", "shape")).value().spec_as<TestSpec>().extra, shape);
  }
}

TEST_P(StoreContract, AnswersNotFoundForWhatIsNotThere) {
  EXPECT_EQ(store->get(widget_key("prod", "ghost")).error().kind, ErrorKind::NotFound);
  EXPECT_EQ(refused(only(erase(widget_key("prod", "ghost")))), ErrorKind::NotFound);
}

TEST_P(StoreContract, ForgetsWhatWasDeleted) {
  write_ok(only(put(widget_key("prod", "a"))));
  write_ok(only(erase(widget_key("prod", "a"))));
  EXPECT_FALSE(is_there(widget_key("prod", "a")));
}

TEST_P(StoreContract, KeepsTheTimeOfCreationOnUpdate) {
  Resource resource = make_resource(widget_key("prod", "a"));
  resource.created = resource.modified = SystemTime(100s);
  write_ok(only(put(resource)));
  resource.created = resource.modified = SystemTime(200s);
  write_ok(only(put(resource)));
  EXPECT_EQ(store->get(resource.key).value().created, SystemTime(100s));
  EXPECT_EQ(store->get(resource.key).value().modified, SystemTime(200s));
}

TEST_P(StoreContract, KeepsNamesApartByKindAndMesh) {
  write_ok(only(put(mesh_key("test"))));
  write_ok(only(put(widget_key("prod", "same"), "red")));
  write_ok(only(put(widget_key("test", "same"), "blue")));
  write_ok(only(put(gadget_key("same"), "green")));
  EXPECT_EQ(store->get(widget_key("prod", "same")).value().spec_as<TestSpec>().color, "red");
  EXPECT_EQ(store->get(widget_key("test", "same")).value().spec_as<TestSpec>().color, "blue");
  EXPECT_EQ(store->get(gadget_key("same")).value().spec_as<TestSpec>().color, "green");
}

TEST_P(StoreContract, RefusesKeysThatMakeNoSense) {
  EXPECT_EQ(refused(only(put(widget_key("", "a")))), ErrorKind::Invalid);
  EXPECT_EQ(refused(only(put(gadget_key("")))), ErrorKind::Invalid);
  EXPECT_EQ(refused(only(put(ResourceKey{&kGadget, "prod", "a"}))), ErrorKind::Invalid);
}

// ---- what a write expects

TEST_P(StoreContract, CreatesOnlyWhatIsAbsent) {
  write_ok(only(put(make_resource(widget_key("prod", "a")), Expect::absent())));
  EXPECT_EQ(refused(only(put(make_resource(widget_key("prod", "a")), Expect::absent()))), ErrorKind::Conflict);
}

TEST_P(StoreContract, UpdatesOnlyTheRevisionThatWasRead) {
  const Revision first = write_ok(only(put(widget_key("prod", "a"))));
  const Revision second = write_ok(only(put(make_resource(widget_key("prod", "a")), Expect::at(first))));
  EXPECT_GT(second, first);
  EXPECT_EQ(refused(only(put(make_resource(widget_key("prod", "a")), Expect::at(first)))), ErrorKind::Conflict);
  EXPECT_EQ(refused(only(erase(widget_key("prod", "a"), Expect::at(first)))), ErrorKind::Conflict);
  write_ok(only(erase(widget_key("prod", "a"), Expect::at(second))));
  EXPECT_EQ(refused(only(put(make_resource(widget_key("prod", "a")), Expect::at(second)))), ErrorKind::Conflict);
}

// ---- batches

TEST_P(StoreContract, TakesABatchWholeOrNotAtAll) {
  const Revision before = write_ok(only(put(widget_key("prod", "there"), "red")));
  std::vector<Write> batch;
  batch.push_back(put(widget_key("prod", "there"), "blue"));
  batch.push_back(put(widget_key("prod", "new")));
  batch.push_back(erase(mesh_key("prod")));
  batch.push_back(erase(widget_key("prod", "ghost")));
  EXPECT_EQ(refused(std::move(batch)), ErrorKind::NotFound);

  EXPECT_EQ(store->get(widget_key("prod", "there")).value().spec_as<TestSpec>().color, "red");
  EXPECT_FALSE(is_there(widget_key("prod", "new")));
  EXPECT_TRUE(is_there(mesh_key("prod")));
  EXPECT_EQ(write_ok(only(put(widget_key("prod", "next")))), before + 1) << "a refused batch uses up no revision";
}

TEST_P(StoreContract, LetsLaterWritesOfABatchSeeEarlierOnes) {
  std::vector<Write> batch;
  batch.push_back(put(mesh_key("new")));
  batch.push_back(put(widget_key("new", "a")));
  batch.push_back(put(make_resource(widget_key("new", "b")), Expect::absent(), widget_key("new", "a")));
  batch.push_back(erase(widget_key("new", "a")));
  write_ok(std::move(batch));
  EXPECT_TRUE(is_there(mesh_key("new")));
  EXPECT_FALSE(is_there(widget_key("new", "a")));
  EXPECT_FALSE(is_there(widget_key("new", "b")));
}

TEST_P(StoreContract, TakesAnEmptyBatch) {
  const Revision before = write_ok(only(put(gadget_key("a"))));
  EXPECT_EQ(write_ok({}), before);
}

// ---- owners

TEST_P(StoreContract, RefusesWhatLiesInNoMesh) {
  EXPECT_EQ(refused(only(put(widget_key("nowhere", "a")))), ErrorKind::Invalid);
}

TEST_P(StoreContract, RefusesAnOwnerThatIsNotThere) {
  EXPECT_EQ(refused(only(put(make_resource(widget_key("prod", "a")), {}, widget_key("prod", "ghost")))),
            ErrorKind::Invalid);
}

TEST_P(StoreContract, DeletesWithAMeshWhatLiesInIt) {
  write_ok(only(put(mesh_key("test"))));
  for (const char* mesh : {"prod", "test"})
    for (const char* name : {"a", "b"}) write_ok(only(put(widget_key(mesh, name))));
  write_ok(only(put(gadget_key("stays"))));

  const Revision before = changes(0).upto;
  write_ok(only(erase(mesh_key("prod"))));

  EXPECT_FALSE(is_there(widget_key("prod", "a")));
  EXPECT_FALSE(is_there(widget_key("prod", "b")));
  EXPECT_TRUE(is_there(widget_key("test", "a")));
  EXPECT_TRUE(is_there(gadget_key("stays")));
  EXPECT_THAT(steps(changes(before)), ElementsAre("-prod", "-a", "-b")) << "deletions of what is owned are in the feed";
}

TEST_P(StoreContract, RefusesToDeleteWhatOwnsWhatItMustNot) {
  Write unless_widgets = erase(mesh_key("prod"));
  unless_widgets.unless_owns = &kWidget;
  write_ok(only(put(make_resource(gadget_key("g")), {}, mesh_key("prod"))));
  write_ok(only(put(widget_key("prod", "a"))));
  EXPECT_EQ(refused(only(unless_widgets)), ErrorKind::Conflict);
  EXPECT_TRUE(is_there(gadget_key("g")));
  write_ok(only(erase(widget_key("prod", "a"))));
  write_ok(only(unless_widgets));
  EXPECT_FALSE(is_there(gadget_key("g")));
}

// Whoever comes first: a mesh that is deleted while things are put into it never leaves one behind.
TEST_P(StoreContract, LeavesNothingInAMeshThatIsDeletedMeanwhile) {
  for (int round = 0; round < 5; ++round) {
    write_ok(only(put(mesh_key("gone"))));
    std::latch start(3);
    const auto register_some = [&](const std::string& prefix) {
      start.arrive_and_wait();
      for (int i = 0; i < 5; ++i) (void)store->write(only(put(widget_key("gone", prefix + std::to_string(i)))));
    };
    {
      const std::jthread one([&] { register_some("a"); });
      const std::jthread other([&] { register_some("b"); });
      start.arrive_and_wait();
      write_ok(only(erase(mesh_key("gone"))));
    }
    EXPECT_EQ(list({.kind = &kWidget, .mesh = "gone"}).total, 0U);
  }
}

TEST_P(StoreContract, DeletesWhatIsOwnedAllTheWayDown) {
  write_ok(only(put(widget_key("prod", "a"))));
  write_ok(only(put(make_resource(widget_key("prod", "b")), {}, widget_key("prod", "a"))));
  write_ok(only(put(make_resource(gadget_key("c")), {}, widget_key("prod", "b"))));
  write_ok(only(erase(widget_key("prod", "a"))));
  EXPECT_FALSE(is_there(widget_key("prod", "b")));
  EXPECT_FALSE(is_there(gadget_key("c")));
}

TEST_P(StoreContract, EndsACircleOfOwners) {
  write_ok(only(put(gadget_key("a"))));
  write_ok(only(put(make_resource(gadget_key("b")), {}, gadget_key("a"))));
  write_ok(only(put(make_resource(gadget_key("a")), {}, gadget_key("b"))));
  write_ok(only(erase(gadget_key("a"))));
  EXPECT_FALSE(is_there(gadget_key("b")));
}

TEST_P(StoreContract, KeepsTheOwnerOnUpdateUnlessAnotherIsNamed) {
  write_ok(only(put(gadget_key("first"))));
  write_ok(only(put(gadget_key("second"))));
  write_ok(only(put(make_resource(gadget_key("kept")), {}, gadget_key("first"))));
  write_ok(only(put(make_resource(gadget_key("moved")), {}, gadget_key("first"))));
  write_ok(only(put(gadget_key("kept"))));
  write_ok(only(put(make_resource(gadget_key("moved")), {}, gadget_key("second"))));
  write_ok(only(erase(gadget_key("first"))));
  EXPECT_FALSE(is_there(gadget_key("kept")));
  EXPECT_TRUE(is_there(gadget_key("moved")));
}

// ---- lists

TEST_P(StoreContract, ListsInTheOrderOfMeshAndName) {
  write_ok(only(put(mesh_key("a"))));
  for (const auto& [mesh, name] : {std::pair{"prod", "b"}, {"a", "z"}, {"prod", "B"}, {"prod", "a"}, {"prod", "a-1"}})
    write_ok(only(put(widget_key(mesh, name))));
  EXPECT_THAT(names(list({.kind = &kWidget}).items), ElementsAre("z", "B", "a", "a-1", "b"));
  EXPECT_THAT(names(list({.kind = &kWidget, .mesh = "prod"}).items), ElementsAre("B", "a", "a-1", "b"));
  EXPECT_THAT(names(list({.kind = &kGadget}).items), IsEmpty());
}

TEST_P(StoreContract, GivesPagesAndTheTotal) {
  for (const char* name : {"a", "b", "c", "d", "e"}) write_ok(only(put(widget_key("prod", name))));
  const Page page = list({.kind = &kWidget, .mesh = "prod", .offset = 1, .size = 2});
  EXPECT_THAT(names(page.items), ElementsAre("b", "c"));
  EXPECT_EQ(page.total, 5U);
  EXPECT_THAT(names(list({.kind = &kWidget, .offset = 4, .size = 2}).items), ElementsAre("e"));
  EXPECT_THAT(names(list({.kind = &kWidget, .offset = 9, .size = 2}).items), IsEmpty());
  EXPECT_EQ(list({.kind = &kWidget, .offset = 9, .size = 2}).total, 5U);
}

TEST_P(StoreContract, FiltersByNameAndLabels) {
  const auto add = [&](const char* name, Labels labels) {
    Resource resource = make_resource(widget_key("prod", name));
    resource.labels = std::move(labels);
    write_ok(only(put(resource)));
  };
  add("web-1", {{"team", "red"}, {"tier", "web"}});
  add("web-2", {{"team", "blue"}, {"tier", "web"}});
  add("db_%1", {{"team", "red"}});
  EXPECT_THAT(names(list({.kind = &kWidget, .name_contains = "web"}).items), ElementsAre("web-1", "web-2"));
  EXPECT_THAT(names(list({.kind = &kWidget, .name_contains = "%"}).items), ElementsAre("db_%1")) << "no patterns";
  EXPECT_THAT(names(list({.kind = &kWidget, .labels = {{"team", "red"}}}).items), ElementsAre("db_%1", "web-1"));
  EXPECT_THAT(names(list({.kind = &kWidget, .labels = {{"team", "red"}, {"tier", "web"}}}).items),
              ElementsAre("web-1"));
  const Page page = list({.kind = &kWidget, .labels = {{"tier", "web"}}, .offset = 1, .size = 1});
  EXPECT_THAT(names(page.items), ElementsAre("web-2"));
  EXPECT_EQ(page.total, 2U);
}

// ---- the feed

TEST_P(StoreContract, ReadsEverythingFromTheBeginning) {
  write_ok(only(put(widget_key("prod", "a"))));
  const Revision last = write_ok(only(put(widget_key("prod", "b"))));
  const ChangeBatch batch = changes(0);
  EXPECT_TRUE(batch.from_start);
  EXPECT_EQ(batch.upto, last);
  EXPECT_THAT(steps(batch), ElementsAre("+prod", "+a", "+b"));
}

TEST_P(StoreContract, GivesEachCommitInItsOrder) {
  const Revision start = changes(0).upto;
  write_ok(only(put(widget_key("prod", "z"))));
  write_ok(only(put(widget_key("prod", "a"))));
  const Revision middle = write_ok(only(erase(widget_key("prod", "z"))));
  write_ok(only(put(widget_key("prod", "z"))));
  const Revision end = write_ok(only(put(widget_key("prod", "b"))));

  EXPECT_THAT(steps(changes(start)), ElementsAre("+a", "-z", "+z", "+b"));
  EXPECT_THAT(steps(changes(middle)), ElementsAre("+z", "+b"));
  EXPECT_FALSE(changes(start).from_start);
  EXPECT_EQ(changes(start).upto, end);
}

TEST_P(StoreContract, GivesTheNewestVersionOfWhatChangedTwice) {
  const Revision start = changes(0).upto;
  write_ok(only(put(widget_key("prod", "a"), "red")));
  const Revision end = write_ok(only(put(widget_key("prod", "a"), "blue")));
  const ChangeBatch batch = changes(start);
  ASSERT_FALSE(batch.changes.empty());
  EXPECT_EQ(batch.changes.back().resource.spec_as<TestSpec>().color, "blue");
  EXPECT_EQ(batch.changes.back().resource.revision, end);
}

TEST_P(StoreContract, LeadsEveryReaderToTheContentFromAnyRevision) {
  std::vector<Picture> readers(1);
  const auto color = [](int round) { return std::to_string(round); };
  for (int round = 0; round < 40; ++round) {
    const std::string name = std::to_string(round * 7 % 11);
    if (round % 5 == 4 && is_there(widget_key("prod", name)))
      write_ok(only(erase(widget_key("prod", name))));
    else
      write_ok(only(put(widget_key("prod", name), color(round))));
    readers.back().fold(changes(readers.back().upto));
    readers.push_back(readers.back());  // one who stops reading here
  }
  write_ok(only(put(gadget_key("end"))));
  Picture fresh;
  fresh.fold(changes(0));
  for (Picture& reader : readers) {
    reader.fold(changes(reader.upto));
    EXPECT_EQ(reader.colors, fresh.colors);
    EXPECT_EQ(reader.upto, fresh.upto);
  }
}

TEST_P(StoreContract, StartsOverForWhoIsTooFarBehind) {
  store = GetParam().make_with_short_memory(3);
  write_ok(only(put(mesh_key("prod"))));
  write_ok(only(put(widget_key("prod", "stays"))));
  Picture behind;
  behind.fold(changes(0));
  Picture nearly = behind;
  for (const char* name : {"a", "b", "c", "d"}) {
    write_ok(only(put(widget_key("prod", name))));
    if (name == std::string("b")) nearly.fold(changes(nearly.upto));
    write_ok(only(erase(widget_key("prod", name))));
  }
  EXPECT_FALSE(changes(nearly.upto).from_start);
  ASSERT_TRUE(changes(behind.upto).from_start);
  EXPECT_THAT(steps(changes(behind.upto)), ElementsAre("+prod", "+stays"));
  nearly.fold(changes(nearly.upto));
  behind.fold(changes(behind.upto));
  EXPECT_EQ(nearly.colors, behind.colors);
}

TEST_P(StoreContract, StartsOverForWhoReadAnotherStore) {
  const ChangeBatch batch = changes(1'000'000);
  EXPECT_TRUE(batch.from_start);
  EXPECT_THAT(steps(batch), ElementsAre("+prod"));
}

TEST_P(StoreContract, WakesAReaderThatWaits) {
  const Revision start = changes(0).upto;
  std::latch reading(1);
  ChangeBatch batch;
  std::jthread reader([&] {
    reading.count_down();
    batch = changes(start);
  });
  reading.wait();
  const Revision written = write_ok(only(put(gadget_key("a"))));
  reader.join();
  EXPECT_EQ(batch.upto, written);
  EXPECT_THAT(steps(batch), ElementsAre("+a"));
}

TEST_P(StoreContract, LetsAReaderGoThatIsToldToStop) {
  const Revision start = changes(0).upto;
  std::latch reading(1);
  ChangeBatch batch{.upto = 99, .from_start = true, .changes = {}};
  std::jthread reader([&](std::stop_token stop) {
    reading.count_down();
    batch = store->wait_for_changes(start, stop).value();
  });
  reading.wait();
  reader.request_stop();
  reader.join();
  EXPECT_EQ(batch.upto, start);
  EXPECT_FALSE(batch.from_start);
  EXPECT_THAT(batch.changes, IsEmpty());
}

// ---- many at once

TEST_P(StoreContract, GivesManyWritersRevisionsOfTheirOwn) {
  constexpr int kWriters = 8;
  constexpr int kEach = 25;
  std::mutex mutex;
  std::set<Revision> revisions;
  {
    std::vector<std::jthread> writers;
    for (int writer = 0; writer < kWriters; ++writer)
      writers.emplace_back([&, writer] {
        for (int i = 0; i < kEach; ++i) {
          const Revision revision =
              write_ok(only(put(widget_key("prod", std::to_string(writer) + "-" + std::to_string(i)))));
          std::lock_guard lock(mutex);
          revisions.insert(revision);
        }
      });
  }
  EXPECT_THAT(revisions, SizeIs(kWriters * kEach));
  EXPECT_EQ(list({.kind = &kWidget}).total, std::size_t{kWriters * kEach});
}

TEST_P(StoreContract, LetsOneOfManyCreateTheSame) {
  std::atomic<int> created = 0;
  {
    std::vector<std::jthread> writers;
    for (int writer = 0; writer < 8; ++writer)
      writers.emplace_back([&] {
        if (store->write(only(put(make_resource(widget_key("prod", "only")), Expect::absent()))).has_value()) ++created;
      });
  }
  EXPECT_EQ(created, 1);
}

TEST_P(StoreContract, LosesNoneOfManyCountersSteps) {
  constexpr int kWriters = 4;
  constexpr int kEach = 10;
  write_ok(only(put(widget_key("prod", "counter"), "0")));
  {
    std::vector<std::jthread> writers;
    for (int writer = 0; writer < kWriters; ++writer)
      writers.emplace_back([&] {
        for (int done = 0; done < kEach;) {
          const Resource read = store->get(widget_key("prod", "counter")).value();
          const int next = std::stoi(read.spec_as<TestSpec>().color) + 1;
          const Result<Revision> written = store->write(only(put(
              make_resource(read.key, {.color = std::to_string(next), .extra = nullptr}), Expect::at(read.revision))));
          if (written.has_value()) ++done;
        }
      });
  }
  EXPECT_EQ(store->get(widget_key("prod", "counter")).value().spec_as<TestSpec>().color,
            std::to_string(kWriters * kEach));
}

TEST_P(StoreContract, ShowsAReaderOfTheFeedNoHalfTransaction) {
  std::jthread writer([&](std::stop_token stop) {
    for (int round = 0; !stop.stop_requested(); ++round) {
      std::vector<Write> pair;
      pair.push_back(put(widget_key("prod", "left"), std::to_string(round)));
      pair.push_back(put(widget_key("prod", "right"), std::to_string(round)));
      write_ok(std::move(pair));
    }
  });
  Picture reader;
  for (int batches = 0; batches < 50; ++batches) {
    reader.fold(changes(reader.upto));
    EXPECT_EQ(reader.colors[widget_key("prod", "left").to_string()],
              reader.colors[widget_key("prod", "right").to_string()]);
  }
  writer.request_stop();
}

TEST_P(StoreContract, HasAnIdOfItsOwn) {
  EXPECT_FALSE(store->id().empty());
  EXPECT_NE(store->id(), GetParam().make()->id());
}

}  // namespace mesh::contract
