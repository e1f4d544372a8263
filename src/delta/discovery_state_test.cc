#include "delta/discovery_state.h"

#include <gmock/gmock.h>

#include <initializer_list>

namespace mesh {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::size_t kClusters = 0, kEndpoints = 1, kListeners = 2, kRoutes = 3, kSecrets = 4;

// "out1:80" needs the port 80.
std::string port_of(std::string_view name) {
  const auto colon = name.rfind(':');
  return colon == std::string_view::npos ? std::string() : std::string(name.substr(colon));
}

const DiscoveryPlan kPlan = {
    {.is_whole = true, .wildcard = Wildcard::Unnamed, .removal_rank = 2},
    {.wildcard = Wildcard::Explicit, .waits_for_earlier = false, .parent = kClusters, .removal_rank = 3},
    {.is_whole = true, .wildcard = Wildcard::Unnamed, .removal_rank = 0, .need = port_of},
    {.wildcard = Wildcard::Explicit, .removal_rank = 1},
    {.wildcard = Wildcard::Never, .waits_for_earlier = false, .delays_later = false, .removal_rank = 4},
};
const char* const kShort[] = {"CDS", "EDS", "LDS", "RDS", "SDS"};

// "a=1 b=2" → two resources with their versions.
NamedResources resources(const std::string& text) {
  NamedResourceList list;
  std::size_t at = 0;
  while (at < text.size()) {
    const auto end = std::min(text.find(' ', at), text.size());
    const auto item = text.substr(at, end - at);
    list.push_back(
        make_named(item.substr(0, item.find('=')), item.substr(item.find('=') + 1), make_bytes("body of " + item)));
    at = end + 1;
  }
  return std::make_shared<const NamedResourceList>(std::move(list));
}

// The peer, as a test writes it; everything that is sent to it is kept as a line: "CDS a=1 -b".
class Peer {
 public:
  explicit Peer(Encoding encoding) : encoding_(encoding), state_(encoding, kPlan) {}

  void offer(std::map<std::size_t, std::string> content) {
    std::vector<NamedResources> offer(kPlan.size());
    for (const auto& [type, text] : content) offer[type] = resources(text);
    take(state_.on_offer(offer));
  }
  void offer_same(std::size_t type, NamedResources resources) {
    std::vector<NamedResources> offer(kPlan.size());
    offer[type] = std::move(resources);
    take(state_.on_offer(offer));
  }

  void asks(std::size_t type, std::vector<std::string> names = {}, std::map<std::string, std::string> has = {},
            std::string version = "") {
    if (encoding_ == Encoding::Delta) {
      take(*state_.on_request(
          type,
          DeltaRequest{.subscribe = names, .unsubscribe = {}, .initial_versions = has, .nonce = "", .refusal = {}}));
    } else {
      take(*state_.on_request(type,
                              SotwRequest{.version = version, .names = names, .nonce = nonce_[type], .refusal = {}}));
    }
    names_[type] = names;
  }
  void unsubscribes(std::size_t type, std::vector<std::string> names) {
    take(*state_.on_request(
        type, DeltaRequest{.subscribe = {}, .unsubscribe = names, .initial_versions = {}, .nonce = "", .refusal = {}}));
  }
  void answers(std::size_t type, std::optional<std::string> refusal = {}, std::string nonce = "") {
    if (nonce.empty()) nonce = nonce_[type];
    if (encoding_ == Encoding::Delta) {
      take(*state_.on_request(
          type, DeltaRequest{
                    .subscribe = {}, .unsubscribe = {}, .initial_versions = {}, .nonce = nonce, .refusal = refusal}));
    } else {
      take(*state_.on_request(type,
                              SotwRequest{.version = "", .names = names_[type], .nonce = nonce, .refusal = refusal}));
    }
  }
  void accepts(std::size_t type) { answers(type); }
  void refuses(std::size_t type) { answers(type, "no good"); }
  void accepts_everything() {
    for (int turn = 0; turn < 20; ++turn) {
      for (std::size_t type = 0; type < kPlan.size(); ++type) {
        if (state_.is_in_flight(type)) accepts(type);
      }
    }
  }

  // Everything that was sent since this was called last.
  std::vector<std::string> heard() { return std::exchange(lines_, {}); }
  std::vector<std::string> reported() { return std::exchange(reports_, {}); }
  std::string version(std::size_t type) const { return version_.at(type); }
  std::string nonce(std::size_t type) { return nonce_[type]; }
  DiscoveryState& state() { return state_; }
  void take(const Actions& actions) {
    for (const auto& action : actions) {
      if (const auto* push = std::get_if<Push>(&action)) {
        std::string line = kShort[push->type];
        for (const auto& r : push->resources) line += " " + r.name() + "=" + r.version();
        for (const auto& name : push->removed) line += " -" + name;
        lines_.push_back(line);
        nonce_[push->type] = push->nonce;
        version_[push->type] = push->version;
      } else if (const auto* accepted = std::get_if<Accepted>(&action)) {
        reports_.push_back(std::string("accepted ") + kShort[accepted->type]);
        EXPECT_EQ(accepted->version, version_[accepted->type]);
      } else {
        const auto& refused = std::get<Refused>(action);
        reports_.push_back(std::string(refused.again ? "refused again " : "refused ") + kShort[refused.type] + ": " +
                           refused.reason);
      }
    }
  }

 private:
  Encoding encoding_;
  DiscoveryState state_;
  std::map<std::size_t, std::string> nonce_, version_;
  std::map<std::size_t, std::vector<std::string>> names_;
  std::vector<std::string> lines_, reports_;
};

class BothEncodings : public testing::TestWithParam<Encoding> {
 protected:
  Peer peer{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Discovery, BothEncodings, testing::Values(Encoding::StateOfTheWorld, Encoding::Delta),
                         [](const auto& test) { return test.param == Encoding::Delta ? "Delta" : "StateOfTheWorld"; });

TEST_P(BothEncodings, NothingIsSaidBeforeSomethingIsOffered) {
  peer.asks(kClusters);
  EXPECT_THAT(peer.heard(), IsEmpty());
  peer.offer({{kClusters, "a=1"}});
  EXPECT_THAT(peer.heard(), ElementsAre("CDS a=1"));
}

TEST_P(BothEncodings, NothingIsSaidBeforeItIsAskedFor) {
  peer.offer({{kClusters, "a=1"}, {kListeners, "l=1"}});
  EXPECT_THAT(peer.heard(), IsEmpty());
  peer.asks(kClusters);
  EXPECT_THAT(peer.heard(), ElementsAre("CDS a=1"));
}

TEST_P(BothEncodings, AWildcardIsAnsweredEvenWhenThereIsNothing) {
  peer.offer({{kClusters, ""}, {kListeners, ""}});
  peer.asks(kClusters);
  EXPECT_THAT(peer.heard(), ElementsAre("CDS"));
  peer.accepts(kClusters);
  peer.asks(kListeners);
  peer.accepts(kListeners);
  EXPECT_THAT(peer.heard(), ElementsAre("LDS"));
}

TEST_P(BothEncodings, AStarIsAWildcard) {
  peer.offer({{kClusters, "a=1 b=1"}});
  peer.asks(kClusters, {"*"});
  EXPECT_THAT(peer.heard(), ElementsAre("CDS a=1 b=1"));
}

TEST_P(BothEncodings, AnEmptyListOfNamesAsksForNothingWhereNamesAreNeeded) {
  peer.offer({{kEndpoints, "a=1"}, {kSecrets, "s=1"}});
  peer.asks(kEndpoints);
  peer.asks(kSecrets);
  EXPECT_THAT(peer.heard(), IsEmpty());
}

TEST_P(BothEncodings, SecretsAreGivenByNameOnly) {
  peer.offer({{kSecrets, "s=1 t=1"}});
  peer.asks(kSecrets, {"*", "s"});
  EXPECT_THAT(peer.heard(), ElementsAre("SDS s=1"));
}

TEST_P(BothEncodings, TheNewestOfferWaitsAndReplacesOlderOnes) {
  peer.offer({{kClusters, "a=1"}});
  peer.asks(kClusters);
  peer.offer({{kClusters, "a=2"}});
  peer.offer({{kClusters, "a=3"}});
  EXPECT_THAT(peer.heard(), ElementsAre("CDS a=1"));
  peer.accepts(kClusters);
  EXPECT_THAT(peer.heard(), ElementsAre("CDS a=3"));
}

TEST_P(BothEncodings, TheSameContentIsNotSentAgain) {
  const auto same = resources("a=1 b=1");
  peer.offer_same(kClusters, same);
  peer.asks(kClusters);
  peer.accepts(kClusters);
  peer.heard();
  peer.offer_same(kClusters, same);
  peer.offer({{kClusters, "a=1 b=1"}});
  EXPECT_THAT(peer.heard(), IsEmpty());
}

TEST_P(BothEncodings, TypesGoOutInOrderEachWhenTheOneBeforeWasAnswered) {
  peer.asks(kRoutes, {"r"});
  peer.asks(kListeners);
  peer.asks(kEndpoints, {"a"});
  peer.asks(kClusters);
  peer.offer({{kClusters, "a=1"}, {kEndpoints, "a=1"}, {kListeners, "l=1"}, {kRoutes, "r=1"}});
  EXPECT_THAT(peer.heard(), ElementsAre("CDS a=1", "EDS a=1/1"))
      << "endpoints do not wait: their cluster waits for them";
  peer.accepts(kClusters);
  EXPECT_THAT(peer.heard(), IsEmpty());
  peer.accepts(kEndpoints);
  EXPECT_THAT(peer.heard(), ElementsAre("LDS l=1"));
  peer.accepts(kListeners);
  EXPECT_THAT(peer.heard(), ElementsAre("RDS r=1"));
}

TEST_P(BothEncodings, SecretsDoNotWaitForOthers) {
  peer.offer({{kClusters, "a=1"}, {kSecrets, "s=1"}});
  peer.asks(kClusters);
  peer.asks(kSecrets, {"s"});
  EXPECT_THAT(peer.heard(), ElementsAre("CDS a=1", "SDS s=1"));
}

TEST_P(BothEncodings, ANewEndpointSendsNothingElse) {
  peer.offer({{kClusters, "a=1 b=1"}, {kEndpoints, "a=1 b=1"}, {kListeners, "l=1"}});
  peer.asks(kClusters);
  peer.accepts(kClusters);
  peer.asks(kEndpoints, {"a", "b"});
  peer.accepts(kEndpoints);
  peer.asks(kListeners);
  peer.accepts(kListeners);
  peer.heard();
  peer.offer({{kClusters, "a=1 b=1"}, {kEndpoints, "a=1 b=2"}, {kListeners, "l=1"}});
  EXPECT_THAT(peer.heard(), ElementsAre("EDS b=2/1"));
}

TEST_P(BothEncodings, EndpointsFollowAChangedClusterThoughTheyAreTheSame) {
  peer.offer({{kClusters, "a=1 b=1"}, {kEndpoints, "a=1 b=1"}});
  peer.asks(kClusters);
  peer.accepts(kClusters);
  peer.asks(kEndpoints, {"a", "b"});
  peer.accepts(kEndpoints);
  peer.heard();
  peer.offer({{kClusters, "a=2 b=1"}, {kEndpoints, "a=1 b=1"}});
  // Before the cluster is answered: while it warms, Envoy answers for no cluster.
  EXPECT_THAT(peer.heard(), ElementsAre(GetParam() == Encoding::Delta ? "CDS a=2" : "CDS a=2 b=1", "EDS a=1/2"));
}

TEST_P(BothEncodings, EndpointsDoNotWaitForTheAnswerToTheirClusters) {
  peer.offer({{kClusters, "a=1"}, {kEndpoints, "a=1"}, {kListeners, "l=1"}});
  peer.asks(kClusters);
  peer.accepts(kClusters);
  peer.asks(kEndpoints, {"a"});
  peer.accepts(kEndpoints);
  peer.asks(kListeners);
  peer.accepts(kListeners);
  peer.heard();
  peer.offer({{kClusters, "a=2"}, {kEndpoints, "a=1"}, {kListeners, "l=2"}});
  EXPECT_THAT(peer.heard(), ElementsAre("CDS a=2", "EDS a=1/2"));  // Envoy answers the first when it has the second
  peer.accepts(kEndpoints);
  EXPECT_THAT(peer.heard(), IsEmpty());
  peer.accepts(kClusters);
  EXPECT_THAT(peer.heard(), ElementsAre("LDS l=2"));
}

TEST_P(BothEncodings, EndpointsThatAreOfferedNoMoreStillReachAClusterThatWaitsForThem) {
  peer.offer({{kClusters, "a=1 b=1"}, {kEndpoints, "a=1 b=1"}});
  peer.asks(kClusters);
  peer.offer({{kClusters, "a=1"}, {kEndpoints, "a=1"}});
  peer.heard();
  peer.asks(kEndpoints, {"a", "b"});  // it has b, waits for its endpoints, and says nothing of clusters until then
  EXPECT_THAT(peer.heard(), ElementsAre("EDS a=1/1 b=1/1"));
}

TEST_P(BothEncodings, EndpointsFollowARefusedClusterToo) {
  peer.offer({{kClusters, "a=1 b=1"}, {kEndpoints, "a=1 b=1"}});
  peer.asks(kClusters);
  peer.accepts(kClusters);
  peer.asks(kEndpoints, {"a", "b"});
  peer.accepts(kEndpoints);
  peer.heard();
  peer.offer({{kClusters, "a=2 b=2"}});
  EXPECT_THAT(peer.heard(), ElementsAre("CDS a=2 b=2", "EDS a=1/2 b=1/2"));
  peer.refuses(kClusters);  // a=2 was right, and warms now
  peer.accepts(kEndpoints);
  EXPECT_THAT(peer.heard(), IsEmpty());
}

TEST_P(BothEncodings, WhatWasRefusedIsNotSentAgain) {
  peer.offer({{kClusters, "a=1"}});
  peer.asks(kClusters);
  peer.accepts(kClusters);
  peer.reported();
  peer.heard();
  peer.offer({{kClusters, "a=2"}});
  peer.refuses(kClusters);
  EXPECT_THAT(peer.heard(), ElementsAre("CDS a=2"));
  EXPECT_THAT(peer.reported(), ElementsAre("refused CDS: no good"));
  peer.offer({{kClusters, "a=2"}});
  EXPECT_THAT(peer.heard(), IsEmpty());
  peer.offer({{kClusters, "a=3"}});
  peer.accepts(kClusters);
  EXPECT_THAT(peer.heard(), ElementsAre("CDS a=3"));
  peer.offer({{kClusters, "a=2"}});
  EXPECT_THAT(peer.heard(), IsEmpty());
}

TEST_P(BothEncodings, WhatIsBlamedByNameHoldsUpNoOther) {
  peer.offer({{kListeners, "in=1 out1:80=1 out2:80=1 out3:90=1"}});
  peer.asks(kListeners);
  peer.answers(kListeners, "Error adding listener(s) out1:80: taken\nout2:80: taken\n");
  EXPECT_THAT(peer.heard(), ElementsAre("LDS in=1 out1:80=1 out2:80=1 out3:90=1", "LDS in=1 out3:90=1"));
  EXPECT_FALSE(peer.state().holds(kListeners));
  peer.accepts(kListeners);
  EXPECT_TRUE(peer.state().holds(kListeners));
  peer.offer({{kListeners, "in=1 out1:80=1 out2:80=1 out3:90=1 out4:80=1"}});
  EXPECT_THAT(peer.heard(),
              ElementsAre(GetParam() == Encoding::Delta ? "LDS out4:80=1" : "LDS in=1 out3:90=1 out4:80=1"));
  peer.answers(kListeners, "Error adding listener(s) out4:80: taken\n");
  peer.accepts_everything();
  EXPECT_TRUE(peer.state().holds(kListeners));
}

TEST_P(BothEncodings, WhatIsRightAndRefusedIsTriedAgainOneForAllThatNeedTheSame) {
  peer.offer({{kListeners, "in=1 out1:80=1 out2:80=1 out3:90=1"}});
  peer.asks(kListeners);
  EXPECT_FALSE(peer.state().may_retry());
  peer.answers(kListeners, "Error adding listener(s) out1:80: taken\nout2:80: taken\nout3:90: taken\n");
  peer.accepts(kListeners);
  EXPECT_TRUE(peer.state().may_retry());
  peer.heard();
  peer.reported();
  const bool delta = GetParam() == Encoding::Delta;

  peer.take(peer.state().retry_refused());
  EXPECT_THAT(peer.heard(), ElementsAre(delta ? "LDS out1:80=1 out3:90=1" : "LDS in=1 out1:80=1 out3:90=1"));
  peer.answers(kListeners, "Error adding listener(s) out1:80: taken\nout3:90: taken\n");
  EXPECT_THAT(peer.reported(),
              ElementsAre("refused again LDS: Error adding listener(s) out1:80: taken\nout3:90: taken\n"));
  peer.accepts_everything();
  peer.heard();

  peer.take(peer.state().retry_refused());  // the other one: the first may be taken by somebody else for good
  EXPECT_THAT(peer.heard(), ElementsAre(delta ? "LDS out2:80=1 out3:90=1" : "LDS in=1 out2:80=1 out3:90=1"));
  peer.answers(kListeners, "Error adding listener(s) out3:90: taken\n");
  peer.accepts_everything();
  peer.heard();
  EXPECT_TRUE(peer.state().holds(kListeners));

  peer.take(peer.state().retry_refused());
  peer.accepts_everything();
  EXPECT_FALSE(peer.state().may_retry());
  EXPECT_TRUE(peer.state().holds(kListeners));
}

TEST_P(BothEncodings, WhatIsRefusedForItselfIsNotTriedAgain) {
  peer.offer({{kListeners, "in=bad out1:80=1"}});
  peer.asks(kListeners);
  peer.answers(kListeners, "in: what is this?");
  peer.accepts(kListeners);
  EXPECT_FALSE(peer.state().may_retry());
  EXPECT_FALSE(peer.state().holds(kListeners));
}

TEST_P(BothEncodings, ALaterVersionThatIsRefusedLeavesTheOldOneInForce) {
  peer.offer({{kListeners, "a=1 b=1"}});
  peer.asks(kListeners);
  peer.accepts(kListeners);
  peer.offer({{kListeners, "a=2 b=bad"}});
  peer.heard();
  peer.answers(kListeners, "b: what is this?");
  EXPECT_THAT(peer.heard(), ElementsAre(GetParam() == Encoding::Delta ? "LDS a=2" : "LDS a=2 b=1"));
}

TEST(Blaming, IsAWholeNameWithAColonBehindIt) {
  EXPECT_TRUE(blames("Error adding/updating listener(s) outbound:127.1.0.1:80: taken", "outbound:127.1.0.1:80"));
  EXPECT_TRUE(blames("x: y\nb: z", "b"));
  EXPECT_FALSE(blames("Error adding/updating listener(s) outbound:127.1.0.1:8080: taken", "outbound:127.1.0.1:80"));
  EXPECT_FALSE(blames("bb: z", "b"));
  EXPECT_FALSE(blames("", "b"));
}

TEST_P(BothEncodings, GoingBackAfterARefusalIsSaid) {
  peer.offer({{kClusters, "a=1"}});
  peer.asks(kClusters);
  peer.accepts(kClusters);
  peer.offer({{kClusters, "a=2"}});
  peer.refuses(kClusters);
  peer.heard();
  peer.offer({{kClusters, "a=1"}});  // Envoy may have taken a part of what it refused
  peer.accepts(kClusters);
  EXPECT_THAT(peer.heard(), ElementsAre("CDS a=1"));
  peer.offer({{kClusters, "a=1"}});
  EXPECT_THAT(peer.heard(), IsEmpty());
}

TEST_P(BothEncodings, ARefusedClusterDoesNotStopTheListeners) {
  peer.offer({{kClusters, "a=1"}, {kListeners, "l=1"}});
  peer.asks(kClusters);
  peer.asks(kListeners);
  peer.refuses(kClusters);
  EXPECT_THAT(peer.heard(), ElementsAre("CDS a=1", "LDS l=1"));
}

TEST_P(BothEncodings, AnAnswerToAnOlderPushIsIgnored) {
  peer.offer({{kClusters, "a=1"}});
  peer.asks(kClusters);
  const std::string old = peer.nonce(kClusters);
  peer.accepts(kClusters);
  peer.offer({{kClusters, "a=2"}});
  peer.reported();
  peer.answers(kClusters, std::nullopt, old);
  peer.answers(kClusters, "late refusal", old);
  EXPECT_THAT(peer.reported(), IsEmpty());
  EXPECT_TRUE(peer.state().is_in_flight(kClusters));
}

TEST_P(BothEncodings, TheListenerWaitsForEndpointsOfItsNewCluster) {
  peer.offer({{kClusters, "a=1"}, {kEndpoints, "a=1"}, {kListeners, "l=1"}});
  peer.asks(kClusters);
  peer.accepts(kClusters);
  peer.asks(kEndpoints, {"a"});
  peer.accepts(kEndpoints);
  peer.asks(kListeners);
  peer.accepts(kListeners);
  peer.heard();

  peer.offer({{kClusters, "a=1 b=1"}, {kEndpoints, "a=1 b=1"}, {kListeners, "l=2"}});
  peer.heard();
  peer.accepts(kClusters);
  EXPECT_THAT(peer.heard(), IsEmpty());  // it is about to ask for the endpoints of b
  peer.asks(kEndpoints,
            GetParam() == Encoding::Delta ? std::vector<std::string>{"b"} : std::vector<std::string>{"a", "b"});
  EXPECT_THAT(peer.heard(), ElementsAre("EDS b=1/1"));
  peer.accepts(kEndpoints);
  EXPECT_THAT(peer.heard(), ElementsAre("LDS l=2"));
}

TEST_P(BothEncodings, APausedPeerIsToldTheNewestWhenItReadsAgain) {
  peer.offer({{kClusters, "a=1"}});
  peer.take(peer.state().set_paused(true));
  peer.asks(kClusters);
  peer.offer({{kClusters, "a=2"}});
  EXPECT_THAT(peer.heard(), IsEmpty());
  peer.take(peer.state().set_paused(false));
  EXPECT_THAT(peer.heard(), ElementsAre("CDS a=2"));
}

TEST_P(BothEncodings, ItIsKnownWhenThePeerHasWhatItAskedFor) {
  const auto holds = [&](std::size_t type) { return peer.state().holds(type); };
  peer.offer({{kClusters, "a=1"}, {kSecrets, "s=1"}});
  EXPECT_FALSE(holds(kClusters));
  peer.asks(kClusters);
  peer.asks(kSecrets, {"s"});
  EXPECT_FALSE(holds(kClusters));
  peer.accepts(kClusters);
  EXPECT_TRUE(holds(kClusters));
  peer.refuses(kSecrets);
  EXPECT_FALSE(holds(kSecrets));
  peer.offer({{kSecrets, "s=2"}});
  peer.accepts(kSecrets);
  EXPECT_TRUE(holds(kSecrets));
}

TEST_P(BothEncodings, TooManyNamesEndTheConversation) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i <= DiscoveryState::kMaxNames; ++i) names.push_back(std::to_string(i));
  const auto result =
      GetParam() == Encoding::Delta
          ? peer.state().on_request(
                kSecrets,
                DeltaRequest{.subscribe = names, .unsubscribe = {}, .initial_versions = {}, .nonce = "", .refusal = {}})
          : peer.state().on_request(kSecrets, SotwRequest{.version = "", .names = names, .nonce = "", .refusal = {}});
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().kind, ErrorKind::Invalid);
}

TEST_P(BothEncodings, AnOfferOutOfOrderIsPutInOrder) {
  peer.offer({{kClusters, "b=1 a=1 b=2"}});
  peer.asks(kClusters);
  EXPECT_THAT(peer.heard(), ElementsAre("CDS a=1 b=1"));
}

class Delta : public testing::Test {
 protected:
  Peer peer{Encoding::Delta};
};

TEST_F(Delta, OnlyWhatChangedIsSent) {
  peer.offer({{kClusters, "a=1 b=1 c=1"}});
  peer.asks(kClusters);
  peer.accepts(kClusters);
  peer.heard();
  peer.offer({{kClusters, "a=1 b=2 d=1"}});
  peer.accepts_everything();
  EXPECT_THAT(peer.heard(), ElementsAre("CDS b=2 d=1", "CDS -c"));
}

TEST_F(Delta, AReconnectWithTheSameContentSendsNothing) {
  peer.offer({{kClusters, "a=1"}, {kEndpoints, "a=5"}, {kListeners, "l=1"}, {kSecrets, "s=1"}});
  peer.asks(kClusters, {}, {{"a", "1"}});
  peer.asks(kEndpoints, {"a"}, {{"a", "5/1"}});
  peer.asks(kListeners, {}, {{"l", "1"}});
  peer.asks(kSecrets, {"s"}, {{"s", "1"}});
  EXPECT_THAT(peer.heard(), IsEmpty());
  for (const auto type : {kClusters, kEndpoints, kListeners, kSecrets}) EXPECT_TRUE(peer.state().holds(type));
}

TEST_F(Delta, AReconnectSendsWhatChangedMeanwhileAndTakesAwayWhatWent) {
  peer.offer({{kClusters, "a=2 b=1"}});
  peer.asks(kClusters, {}, {{"a", "1"}, {"b", "1"}, {"c", "1"}});
  peer.accepts_everything();
  EXPECT_THAT(peer.heard(), ElementsAre("CDS a=2", "CDS -c"));
}

TEST_F(Delta, NothingIsTakenFromAPeerThatHasNotYetSaidWhatItHas) {
  peer.take(peer.state().set_removals_held(true));
  peer.offer({{kClusters, "a=1"}, {kRoutes, "r=2"}});
  peer.asks(kClusters, {}, {{"a", "1"}, {"b", "1"}});
  peer.asks(kRoutes, {"r"}, {{"r", "1"}});
  peer.take(peer.state().set_removals_held(false));
  peer.accepts_everything();
  EXPECT_THAT(peer.heard(), ElementsAre("RDS r=2", "CDS -b"));
}

TEST_F(Delta, AClusterThatStillWaitsForItsEndpointsAfterAReconnectGetsThem) {
  peer.offer({{kClusters, "a=2"}, {kEndpoints, "a=5"}});
  peer.asks(kClusters, {}, {{"a", "2"}});
  peer.asks(kEndpoints, {"a"}, {{"a", "5/1"}});  // those came for the cluster as it was before
  EXPECT_THAT(peer.heard(), ElementsAre("EDS a=5/2"));
}

TEST_F(Delta, AfterAReconnectAClusterDoesNotWaitForEndpointsThatAreNoMore) {
  peer.take(peer.state().set_removals_held(true));
  peer.offer({{kClusters, "a=1"}, {kEndpoints, "a=5"}});
  peer.asks(kClusters, {}, {{"a", "1"}, {"b", "1"}});
  peer.asks(kEndpoints, {"a", "b"}, {{"a", "5/1"}, {"b", "5/0"}});
  EXPECT_THAT(peer.heard(), ElementsAre("EDS -b"));
}

TEST_F(Delta, WhoAsksForWhatDoesNotExistIsToldOnce) {
  peer.offer({{kRoutes, "r=1"}});
  peer.asks(kRoutes, {"r", "x"});
  EXPECT_THAT(peer.heard(), ElementsAre("RDS r=1 -x"));
  peer.accepts(kRoutes);
  peer.offer({{kRoutes, "r=2"}});
  peer.accepts(kRoutes);
  EXPECT_THAT(peer.heard(), ElementsAre("RDS r=2"));
  peer.offer({{kRoutes, "r=2 x=1"}});
  EXPECT_THAT(peer.heard(), ElementsAre("RDS x=1"));
}

TEST_F(Delta, AskingAgainForANameSendsItAgain) {
  peer.offer({{kEndpoints, "a=1 b=1"}});
  peer.asks(kEndpoints, {"a", "b"});
  peer.accepts(kEndpoints);
  peer.heard();
  peer.asks(kEndpoints, {"a"});
  EXPECT_THAT(peer.heard(), ElementsAre("EDS a=1"));
}

TEST_F(Delta, AskingAgainForWhatIsInFlightSendsItAgain) {
  peer.offer({{kEndpoints, "a=1 b=1"}});
  peer.asks(kEndpoints, {"a", "b"});
  peer.heard();
  peer.unsubscribes(kEndpoints, {"a"});
  peer.asks(kEndpoints, {"a"});
  EXPECT_THAT(peer.heard(), IsEmpty());
  peer.accepts(kEndpoints);
  EXPECT_THAT(peer.heard(), ElementsAre("EDS a=1"));
}

TEST_F(Delta, WhatIsUnsubscribedIsNotHeardOfAnyMore) {
  peer.offer({{kEndpoints, "a=1 b=1"}});
  peer.asks(kEndpoints, {"a", "b"});
  peer.accepts(kEndpoints);
  peer.unsubscribes(kEndpoints, {"a"});
  peer.heard();
  peer.offer({{kEndpoints, "a=2 b=2"}});
  EXPECT_THAT(peer.heard(), ElementsAre("EDS b=2"));
}

TEST_F(Delta, AnUnnamedWildcardEndsWithTheFirstName) {
  peer.offer({{kClusters, "a=1 b=1"}});
  peer.asks(kClusters);
  peer.accepts(kClusters);
  peer.heard();
  peer.asks(kClusters, {"a"});
  peer.accepts(kClusters);
  peer.offer({{kClusters, "a=1 b=2"}});
  EXPECT_THAT(peer.heard(), ElementsAre("CDS a=1"));
}

TEST_F(Delta, AStarStaysBesideNames) {
  peer.offer({{kClusters, "a=1 b=1"}});
  peer.asks(kClusters, {"*"});
  peer.accepts(kClusters);
  peer.asks(kClusters, {"x"});
  peer.accepts(kClusters);
  peer.heard();
  peer.offer({{kClusters, "a=1 b=2"}});
  EXPECT_THAT(peer.heard(), ElementsAre("CDS b=2"));
  peer.accepts(kClusters);
  peer.unsubscribes(kClusters, {"*"});
  peer.offer({{kClusters, "a=2 b=3 x=1"}});
  EXPECT_THAT(peer.heard(), ElementsAre("CDS x=1"));
}

TEST_F(Delta, RemovalsComeLastInTheOrderInWhichNothingRefersToThem) {
  peer.offer({{kClusters, "a=1 b=1"}, {kEndpoints, "a=1 b=1"}, {kListeners, "l=1 m=1"}, {kRoutes, "r=1"}});
  peer.asks(kClusters);
  peer.accepts(kClusters);
  peer.asks(kEndpoints, {"a", "b"});
  peer.accepts(kEndpoints);
  peer.asks(kListeners);
  peer.accepts(kListeners);
  peer.asks(kRoutes, {"r"});
  peer.accepts(kRoutes);
  peer.heard();
  peer.offer({{kClusters, "a=2"}, {kEndpoints, "a=1"}, {kListeners, "l=2"}, {kRoutes, "r=2"}});
  peer.accepts_everything();
  EXPECT_THAT(peer.heard(), ElementsAre("CDS a=2", "EDS a=1/2", "LDS l=2", "RDS r=2", "LDS -m", "CDS -b", "EDS -b"));
}

TEST_F(Delta, OneOfSeveralRefusedIsHeldBackWithTheOthersUntilOneChanges) {
  peer.offer({{kListeners, "a=1 b=1"}});
  peer.asks(kListeners);
  peer.refuses(kListeners);
  peer.heard();
  peer.offer({{kListeners, "a=1 b=1 c=1"}});
  peer.accepts(kListeners);
  EXPECT_THAT(peer.heard(), ElementsAre("LDS c=1"));
  peer.offer({{kListeners, "a=1 b=2 c=1"}});
  EXPECT_THAT(peer.heard(), ElementsAre("LDS a=1 b=2"));
}

TEST_F(Delta, ARefusedRemovalIsNotRepeated) {
  peer.offer({{kListeners, "a=1 b=1 c=1"}});
  peer.asks(kListeners);
  peer.accepts(kListeners);
  peer.heard();
  peer.offer({{kListeners, "c=1"}});
  peer.refuses(kListeners);
  EXPECT_THAT(peer.heard(), ElementsAre("LDS -a -b"));
  peer.offer({{kListeners, "c=2"}});
  peer.accepts(kListeners);
  EXPECT_THAT(peer.heard(), ElementsAre("LDS c=2"));
}

class StateOfTheWorld : public testing::Test {
 protected:
  Peer peer{Encoding::StateOfTheWorld};
};

TEST_F(StateOfTheWorld, ClustersAndListenersAreSentWhole) {
  peer.offer({{kClusters, "a=1 b=1"}});
  peer.asks(kClusters);
  peer.accepts(kClusters);
  peer.heard();
  peer.offer({{kClusters, "a=1 b=2"}});
  EXPECT_THAT(peer.heard(), ElementsAre("CDS a=1 b=2"));
}

TEST_F(StateOfTheWorld, ARemovedClusterStaysUntilTheListenerNoLongerRefersToIt) {
  peer.offer({{kClusters, "a=1 b=1"}, {kListeners, "l=1"}});
  peer.asks(kClusters);
  peer.accepts(kClusters);
  peer.asks(kListeners);
  peer.accepts(kListeners);
  peer.heard();
  peer.offer({{kClusters, "a=1 c=1"}, {kListeners, "l=2"}});
  peer.accepts_everything();
  EXPECT_THAT(peer.heard(), ElementsAre("CDS a=1 b=1 c=1", "LDS l=2", "CDS a=1 c=1"));
}

TEST_F(StateOfTheWorld, AReconnectWithTheSameVersionSendsNothing) {
  peer.offer({{kClusters, "a=1 b=1"}});
  peer.asks(kClusters);
  const std::string version = peer.version(kClusters);

  Peer again{Encoding::StateOfTheWorld};
  again.offer({{kClusters, "a=1 b=1"}});
  again.asks(kClusters, {}, {}, version);
  EXPECT_THAT(again.heard(), IsEmpty());
  again.offer({{kClusters, "a=1"}});
  EXPECT_THAT(again.heard(), ElementsAre("CDS a=1"));
}

TEST_F(StateOfTheWorld, VersionsNameTheContentNotTheStream) {
  peer.offer({{kClusters, "a=1 b=1"}});
  peer.asks(kClusters);
  Peer other{Encoding::StateOfTheWorld};
  other.offer({{kClusters, "b=1 a=1"}});
  other.asks(kClusters);
  EXPECT_EQ(peer.version(kClusters), other.version(kClusters));
}

TEST_F(StateOfTheWorld, NewNamesAreAnsweredWithWhatIsNew) {
  peer.offer({{kEndpoints, "a=1 b=1 c=1"}});
  peer.asks(kEndpoints, {"a"});
  peer.accepts(kEndpoints);
  peer.heard();
  peer.asks(kEndpoints, {"a", "b"});
  EXPECT_THAT(peer.heard(), ElementsAre("EDS b=1"));
  peer.accepts(kEndpoints);
  peer.asks(kEndpoints, {"b"});
  peer.asks(kEndpoints, {"a", "b"});
  EXPECT_THAT(peer.heard(), ElementsAre("EDS a=1"));
}

TEST_F(StateOfTheWorld, AnEmptyListAfterNamesAsksForNothing) {
  peer.offer({{kClusters, "a=1 b=1"}});
  peer.asks(kClusters, {"a"});
  peer.accepts(kClusters);
  peer.asks(kClusters, {});
  peer.accepts_everything();
  peer.heard();
  peer.offer({{kClusters, "a=2 b=2"}});
  EXPECT_THAT(peer.heard(), IsEmpty());
}

TEST_F(StateOfTheWorld, ARefusedWholeIsNotRepeatedButItsSuccessorIsSent) {
  peer.offer({{kClusters, "a=1 b=1"}});
  peer.asks(kClusters);
  peer.accepts(kClusters);
  peer.heard();
  peer.offer({{kClusters, "b=bad"}});
  peer.refuses(kClusters);  // with a kept
  peer.refuses(kClusters);  // without a
  EXPECT_THAT(peer.heard(), ElementsAre("CDS a=1 b=bad", "CDS b=bad"));
  peer.offer({{kClusters, "b=bad"}});
  EXPECT_THAT(peer.heard(), IsEmpty());
  peer.offer({{kClusters, "b=2"}});
  peer.accepts_everything();
  EXPECT_THAT(peer.heard(), ElementsAre("CDS a=1 b=2", "CDS b=2"));
}

}  // namespace
}  // namespace mesh
