//! Buyers and sellers of compute, paid in tokens whose price nobody of them makes.
//!
//! A seller pays for electricity in euros and is paid in tokens. It looks at the price of a token only now and then, and sets
//! its rate for what it saw: if the token sinks, hours are sold below cost; if it rises, rates are dearer than buyers want
//! them and machines stand idle. A broker brings them together, the least expensive first. What a job may cost is locked
//! when it is agreed and is the seller's when it is done; rates that change concern the next agreement alone. Tokens and
//! euros are whole numbers, and neither appear nor vanish.

use crate::asks::Answer;
use crate::prelude::*;
use broker::{Offered, Wanted, matched};
use feed::Feed;

pub mod broker;
pub mod feed;

agent! {
    /// Somebody who needs a machine now and then.
    pub struct Buyer {
        /// Millitokens that are free.
        wallet: u64,
        /// Millitokens that are locked for the job.
        locked: u64,
        /// What it has paid for tokens, in nanoeuros: never above 0.
        euros: i64,
        /// What an hour is worth to it, in microeuros.
        worth: u64,
        /// Whether it asks an adviser before it bids.
        advised: bool,
        state: Doing,
        /// Until when it rests, waits for an answer, bids, or has the machine: a tick.
        until: u64,
        /// What it wants: memory as a power of two, hours, and at most so many millitokens an hour.
        size: u64,
        hours: u64,
        limit: u64,
        /// Whose machine it has.
        seller: AgentId,
        /// How often its adviser answered with a number, with something else, and not in time.
        heeded: u32,
        garbled: u32,
        alone: u32,
    }
    /// Somebody with a machine.
    pub struct Seller {
        /// Millitokens, until they are sold.
        wallet: u64,
        /// What it has earned and spent, in nanoeuros.
        euros: i64,
        /// Memory of the machine, as a power of two.
        size: u64,
        /// What an hour costs in electricity, in microeuros.
        cost: u64,
        /// What it wants beyond that, in thousandths.
        margin: u64,
        /// What it asks for an hour, in millitokens.
        rate: u64,
        /// Who has the machine, until when, and for what an hour.
        buyer: AgentId,
        until: u64,
        agreed: u64,
        /// Whether it sold an hour since it last looked at the price.
        sold: bool,
        /// What this hour's rate is below its cost, in nanoeuros.
        lost: u64,
    }
    /// The broker, who also changes tokens, and collects what electricity costs.
    pub struct Broker {
        /// Millitokens.
        till: u64,
        /// What it has got for tokens and paid for them, in nanoeuros.
        euros: i64,
        /// What was paid for electricity, in nanoeuros.
        grid: i64,
        /// How many offers, demands and agreements there were in this tick.
        offers: u64,
        demands: u64,
        traded: u64,
    }
}

/// What a buyer does: a number, so that it is a field.
pub type Doing = u8;
/// It wants nothing.
pub const RESTS: Doing = 0;
/// It has asked its adviser.
pub const ASKS: Doing = 1;
/// It bids.
pub const BIDS: Doing = 2;
/// It has a machine.
pub const RUNS: Doing = 3;

message! {
    /// A machine is free.
    pub struct Offer { size: u64, rate: u64 }
    /// Somebody needs one.
    pub struct Demand { size: u64, limit: u64, hours: u64, funds: u64 }
    /// Two have come together; the buyer gets as many tokens as it lacked.
    pub struct Deal { partner: AgentId, rate: u64, hours: u64, tokens: u64 }
    /// A seller changes tokens, and pays for electricity.
    pub struct Cash { tokens: u64, grid: u64 }
}

world! {
    /// The market.
    pub struct Exchange {
        buyers: Cohort<Buyer>,
        sellers: Cohort<Seller>,
        broker: Cohort<Broker>,
        pays: Channel<u64>,
        demands: Channel<Demand>,
        offers: Channel<Offer>,
        cash: Channel<Cash>,
        bought: Channel<Deal>,
        sold: Channel<Deal>,
        adviser: Asks,
        /// The price of a token, in microeuros.
        price: u64,
    }
}

params! {
    /// Buyers and sellers of compute: sellers set their rates by the price of a token that they see now and then, so that some
    /// stand idle and some sell below cost.
    pub struct Market {
        /// How many buyers.
        buyers: u64 = 600_u64, 0..=10_000_000, "buyers", agents;
        /// How many sellers, each with one machine.
        sellers: u64 = 200_u64, 0..=10_000_000, "sellers", agents;
        /// How many sizes of machines there are: 8, 16, 32, ... GiB.
        sizes: u64 = 3_u64, 1..=16, "sizes", fixed;
        /// What an hour is worth to buyers; from half to one and a half of it.
        worth: u64 = 120_000_u64, 0..=1_000_000_000, "microeuros", fixed;
        /// What an hour costs sellers in electricity; from half to one and a half of it.
        cost: u64 = 50_000_u64, 0..=1_000_000_000, "microeuros", fixed;
        /// How many tokens a buyer has at first.
        funds: u64 = 10_u64, 0..=1_000_000, "tokens", fixed;
        /// How many tokens the broker has at first.
        till: u64 = 1_000_000_u64, 0..=1_000_000_000, "tokens", fixed;
        /// What a token costs at first.
        price: u64 = 250_000_u64, 1_000..=1_000_000_000, "microeuros", fixed;
        /// By how much the price moves in a tick at most.
        volatility: u64 = 40_u64, 0..=500, "thousandths";
        /// Prices in euros, tick by tick: a CSV file with a column `price`, or the prices themselves; if none, the price walks.
        feed: Feed = "", (), "prices or file", fixed;
        /// How often a seller looks at the price; 0 is never again.
        review: u64 = 48_u64, 0..=1_000_000, "ticks";
        /// What a seller wants beyond its cost at first.
        margin: u64 = 100_u64, 0..=100_000, "thousandths", fixed;
        /// By how much it wants more after it sold, and less after it did not.
        adapt: u64 = 20_u64, 0..=1_000, "thousandths";
        /// Whether buyers take the least expensive; if not, any that they can pay, by lot.
        cheapest: bool = true, (), "";
        /// How long a buyer wants nothing after a job, on average.
        rest: f64 = 20.0, 1.0..=1e9, "ticks";
        /// How many hours a job has, on average; a tick is an hour.
        hours: u64 = 8_u64, 1..=1_000_000, "ticks";
        /// For how many ticks a buyer bids before it gives up.
        patience: u64 = 6_u64, 1..=1_000_000, "ticks";
        /// Whether some buyers ask an adviser outside of the world before they bid.
        advised: bool = false, (), "";
        /// How many of them.
        advised_share: f64 = 0.25, 0.0..=1.0, "share", fixed;
        /// How long they wait for an answer before they bid without.
        advice: u64 = 50_u64, 1..=1_000_000, "ticks";
    }
    small { buyers: 60_u64, sellers: 20_u64 }
}

/// Nanoeuros for so many millitokens at this price in microeuros: exact, because the product is in these units.
fn worth_of(tokens: u64, price: u64) -> i64 {
    i64::try_from(u128::from(tokens) * u128::from(price)).unwrap_or(i64::MAX)
}

/// Nanoeuros for an hour that costs so many microeuros.
fn nano(micro: u64) -> i64 {
    i64::try_from(micro.saturating_mul(1_000)).unwrap_or(i64::MAX)
}

impl Model for Market {
    const NAME: &'static str = "market";
    const RULE: &'static str = "the essay's market of compute: posted rates, least expensive first; rates follow the price of the token";
    const STEPS: u64 = 500;
    type World = Exchange;

    fn build(&self, w: &mut Exchange, t: &mut Tick<'_>) {
        w.price = self.feed.at(0).unwrap_or(self.price);
        let about = |vc: u64, mean: u64| mean / 2 + vc.min(mean);
        w.buyers.spawn(t, self.buyers, |vc| Buyer {
            wallet: self.funds * 1_000,
            worth: about(vc.below(self.worth + 1), self.worth),
            advised: vc.chance(self.advised_share),
            seller: AgentId::NOBODY,
            until: self.rested(vc.unit(), 0),
            ..Buyer::default()
        });
        let price = w.price;
        w.sellers.spawn(t, self.sellers, |vc| {
            let cost = about(vc.below(self.cost + 1), self.cost);
            Seller {
                size: vc.below(self.sizes),
                cost,
                margin: self.margin,
                rate: rate(cost, self.margin, price),
                buyer: AgentId::NOBODY,
                ..Seller::default()
            }
        });
        w.broker.bear(Broker {
            till: self.till * 1_000,
            ..Broker::default()
        });
        w.offers.bound(u32::MAX, Overflow::Fail);
        w.demands.bound(u32::MAX, Overflow::Fail);
        w.cash.bound(u32::MAX, Overflow::Fail);
    }

    fn tick(&self, w: &mut Exchange, t: &mut Tick<'_>) {
        let walked = feed::step(w.price, self.volatility, &mut t.stream());
        w.price = self.feed.at(t.now()).unwrap_or(walked);
        let Some(broker) = w.broker.ids().next() else {
            return;
        };
        let price = w.price;
        w.adviser.answers.deliver(&mut w.buyers);
        let answers = &w.adviser.answers;
        let outlets = ((&mut w.pays, &mut w.demands), &mut w.adviser.questions);
        w.buyers
            .each_sending(t, outlets, |buyer, vc, ((pays, demands), questions)| {
                if buyer.state == RUNS && vc.tick() >= buyer.until {
                    // The job is done: what was locked is the seller's.
                    pays.send(vc, buyer.seller, buyer.locked);
                    buyer.locked = 0;
                    buyer.seller = AgentId::NOBODY;
                    self.rest(buyer, vc.unit(), vc.tick());
                }
                if buyer.state == RESTS && vc.tick() >= buyer.until {
                    buyer.size = vc.below(self.sizes);
                    buyer.hours = 1 + vc.below(2 * self.hours - 1);
                    buyer.limit = buyer.worth.saturating_mul(1_000) / price;
                    buyer.state = BIDS;
                    buyer.until = vc.tick() + self.patience;
                    if self.advised && buyer.advised {
                        buyer.state = ASKS;
                        buyer.until = vc.tick() + self.advice;
                        questions.ask(vc, buyer.until, question(buyer, price));
                    }
                }
                if buyer.state == ASKS {
                    self.heed(buyer, answers.of(vc), price, vc.tick());
                }
                if buyer.state == BIDS {
                    let Buyer {
                        size,
                        limit,
                        hours,
                        wallet: funds,
                        ..
                    } = *buyer;
                    demands.send(
                        vc,
                        broker,
                        Demand {
                            size,
                            limit,
                            hours,
                            funds,
                        },
                    );
                } else {
                    vc.sleep_for(buyer.until - vc.tick());
                }
            });
        w.pays.deliver(&mut w.sellers);
        w.sellers.each_sending(
            t,
            (&mut w.offers, &mut w.cash),
            |seller, vc, (offers, cash)| {
                self.sell(seller, price, vc.tick(), vc.id().entry().into());
                let tokens: u64 = w.pays.of(vc).iter().map(|pay| pay.message).sum();
                let runs = seller.buyer.is_somebody();
                let grid = if runs { seller.cost } else { 0 };
                seller.euros += worth_of(tokens, price) - nano(grid);
                if tokens > 0 || grid > 0 {
                    cash.send(vc, broker, Cash { tokens, grid });
                }
                if vc.tick() >= seller.until {
                    seller.buyer = AgentId::NOBODY;
                    offers.send(
                        vc,
                        broker,
                        Offer {
                            size: seller.size,
                            rate: seller.rate,
                        },
                    );
                }
            },
        );
        w.offers.deliver(&mut w.broker);
        w.demands.deliver(&mut w.broker);
        w.cash.deliver(&mut w.broker);
        w.broker.each_sending(
            t,
            (&mut w.bought, &mut w.sold),
            |broker, vc, (bought, sold)| {
                for cash in w.cash.of(vc) {
                    let Cash { tokens, grid } = cash.message;
                    broker.till += tokens;
                    broker.euros -= worth_of(tokens, price);
                    broker.grid += nano(grid);
                }
                let offers: Vec<_> = w
                    .offers
                    .of(vc)
                    .iter()
                    .map(|mail| {
                        let Offer { size, rate } = mail.message;
                        Offered {
                            seller: mail.from,
                            size,
                            rate,
                        }
                    })
                    .collect();
                let wants: Vec<_> = w
                    .demands
                    .of(vc)
                    .iter()
                    .map(|mail| {
                        let Demand { size, limit, .. } = mail.message;
                        Wanted {
                            buyer: mail.from,
                            size,
                            limit,
                        }
                    })
                    .collect();
                (broker.offers, broker.demands) = (offers.len() as u64, wants.len() as u64);
                broker.traded = 0;
                for (offer, want) in matched(&offers, &wants, self.cheapest, vc.random()) {
                    let Demand { hours, funds, .. } = w.demands.of(vc)[want].message;
                    let (seller, rate) = (offers[offer].seller, offers[offer].rate);
                    let lacks = (rate * hours).saturating_sub(funds);
                    if lacks > broker.till {
                        continue;
                    }
                    broker.till -= lacks;
                    broker.euros += worth_of(lacks, price);
                    broker.traded += 1;
                    let buyer = wants[want].buyer;
                    bought.send(
                        vc,
                        buyer,
                        Deal {
                            partner: seller,
                            rate,
                            hours,
                            tokens: lacks,
                        },
                    );
                    sold.send(
                        vc,
                        seller,
                        Deal {
                            partner: buyer,
                            rate,
                            hours,
                            tokens: 0,
                        },
                    );
                }
            },
        );
        w.bought.deliver(&mut w.buyers);
        w.sold.deliver(&mut w.sellers);
        w.buyers.each(t, |buyer, vc| {
            for deal in w.bought.of(vc) {
                let Deal {
                    partner,
                    rate,
                    hours,
                    tokens,
                } = deal.message;
                buyer.euros -= worth_of(tokens, price);
                buyer.wallet += tokens;
                buyer.locked = rate * hours;
                buyer.wallet -= buyer.locked;
                (buyer.state, buyer.seller, buyer.until) = (RUNS, partner, vc.tick() + hours);
            }
            if buyer.state == BIDS && vc.tick() + 1 >= buyer.until {
                self.rest(buyer, vc.unit(), vc.tick());
            }
            if buyer.state != BIDS {
                vc.sleep_for(buyer.until - vc.tick());
            }
        });
        w.sellers.each(t, |seller, vc| {
            for deal in w.sold.of(vc) {
                let Deal {
                    partner,
                    rate,
                    hours,
                    ..
                } = deal.message;
                (seller.buyer, seller.agreed, seller.until) = (partner, rate, vc.tick() + hours);
                seller.sold = true;
            }
        });
    }

    fn observe(&self, w: &Exchange, see: &mut Sample) {
        let of_broker = |of: fn(&Broker) -> u64| w.broker.iter().map(|row| of(&row)).sum::<u64>();
        see.value("price", w.price as f64 / 1e6);
        see.mean(
            "rate",
            w.sellers.iter().map(|seller| seller.rate as f64 / 1e3),
        );
        let (demands, traded) = (of_broker(|row| row.demands), of_broker(|row| row.traded));
        see.value("offers", of_broker(|row| row.offers) as f64);
        see.value("demands", demands as f64);
        see.value("traded", traded as f64);
        see.value("unserved", (demands - traded) as f64);
        see.count(
            "idle",
            w.sellers
                .iter()
                .filter(|seller| !seller.buyer.is_somebody())
                .count(),
        );
        see.count(
            "below_cost",
            w.sellers.iter().filter(|seller| seller.lost > 0).count(),
        );
        see.value(
            "loss",
            w.sellers.iter().map(|seller| seller.lost).sum::<u64>() as f64 / 1e9,
        );
        see.value(
            "earned",
            w.sellers.iter().map(|seller| seller.euros).sum::<i64>() as f64 / 1e9,
        );
        see.count(
            "asking",
            w.buyers.iter().filter(|buyer| buyer.state == ASKS).count(),
        );
        see.count(
            "heeded",
            w.buyers.iter().map(|buyer| buyer.heeded as usize).sum(),
        );
        see.count(
            "garbled",
            w.buyers.iter().map(|buyer| buyer.garbled as usize).sum(),
        );
        see.count(
            "alone",
            w.buyers.iter().map(|buyer| buyer.alone as usize).sum(),
        );
    }
}

/// Millitokens an hour that cover a cost and a margin at this price: rounded up, so that no margin is lost to rounding.
fn rate(cost: u64, margin: u64, price: u64) -> u64 {
    cost.saturating_mul(1_000 + margin).div_ceil(price.max(1))
}

/// What an adviser is asked.
fn question(buyer: &Buyer, price: u64) -> String {
    let Buyer {
        size,
        hours,
        limit,
        worth,
        ..
    } = buyer;
    let gib = 8_u64 << size;
    format!(
        "A token costs {price} microeuros. I need {gib} GiB for {hours} h, worth {worth} microeuros an hour to me, which is {limit} \
         millitokens. How many millitokens an hour shall I bid at most?"
    )
}

impl Market {
    /// When who begins to rest in a tick will want something again: after a geometric number of ticks.
    fn rested(&self, unit: f64, now: u64) -> u64 {
        let leaves = 1.0 - 1.0 / self.rest;
        let ticks = if leaves <= 0.0 {
            1.0
        } else {
            1.0 + libm::floor(libm::log(1.0 - unit) / libm::log(leaves))
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is a count, and a cast saturates"
        )]
        let ticks = ticks as u64;
        now + ticks.min(1 << 40)
    }

    fn rest(&self, buyer: &mut Buyer, unit: f64, now: u64) {
        buyer.state = RESTS;
        buyer.until = self.rested(unit, now);
    }

    /// Bids what the adviser says, but never more than an hour is worth; bids by itself if there is no answer in time, or one
    /// that is no number.
    fn heed(&self, buyer: &mut Buyer, answers: &[Answer], price: u64, now: u64) {
        let limit = buyer.worth.saturating_mul(1_000) / price;
        let answer = answers.iter().find(|answer| answer.tag == buyer.until);
        match answer.map(|answer| answer.text.trim().parse::<u64>()) {
            Some(Ok(advised)) => {
                buyer.heeded += 1;
                buyer.limit = limit.min(advised);
            }
            Some(Err(_)) => {
                buyer.garbled += 1;
                buyer.limit = limit;
            }
            None if now >= buyer.until => {
                buyer.alone += 1;
                buyer.limit = limit;
            }
            None => return,
        }
        buyer.state = BIDS;
        buyer.until = now + self.patience;
    }

    /// A seller's hour: what it loses if it runs below cost; and now and then it looks at the price and sets its rate anew.
    fn sell(&self, seller: &mut Seller, price: u64, now: u64, number: u64) {
        let runs = seller.buyer.is_somebody();
        let short = nano(seller.cost) - worth_of(seller.agreed, price);
        seller.lost = if runs {
            u64::try_from(short).unwrap_or(0)
        } else {
            0
        };
        if self.review > 0 && (now + number).is_multiple_of(self.review) {
            seller.margin = if seller.sold || runs {
                (seller.margin + self.adapt).min(1_000_000)
            } else {
                // Below its cost nobody offers knowingly.
                seller.margin.saturating_sub(self.adapt)
            };
            seller.sold = false;
            seller.rate = rate(seller.cost, seller.margin, price);
        }
    }
}
