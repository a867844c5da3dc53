"""Word lists and scene templates of the embedded paraphrase corpus.

Data only, written for this project, so that the corpus carries no licence but ours. A **scene** is one kind of
news event: a few surface *forms* that all state the same fact, and the slots that make up the fact. Two sentences
over one fact are paraphrases; change a slot, or swap two roles, and they are not. `corpus.py` does the rendering.

Notation of forms (small, so that a template reads nearly like its sentence):

    [a|b]     either wording, same meaning
    {A}       the slot A in any of its wordings; {t}, a time, is put before or after the form
    {v} {v~}  a verb's past form and its second form (participle, or infinitive in `updown`)
    {v>{B}}   the verb with its object; "took _ into custody" says where the object goes

Every wording of a value means the same, and two values of one kind exclude each other: both labels rest on that.
Raise `corpus.CORPUS_VERSION` when anything here changes.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scene:
    """One kind of event: `slots` is "name=kind ...", `swap` two slots of like role, `source` who may be quoted."""

    name: str
    slots: str
    forms: tuple[str, ...]
    swap: str = ""
    source: str = ""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# Entities. Their names are dealt out to the splits (see corpus.entity_share), so no sentence can occur in two splits.
FIRST_NAMES = _words(
    "Anna Peter Maria Thomas Laura David Helen Martin Julia Robert Sarah Daniel Emma George Alice Simon Nina Paul"
)
LAST_NAMES = _words(
    "Keller Brandt Moreno Walsh Novak Fischer Harper Silva Larsen Dixon Romano Becker Coleman Petrov Hughes Tanaka "
    "Weber Ortega Lindgren Marsh Costa Bauer Griffin Rossi Jensen Porter Vargas Klein Sutton Mendes Fowler Haas "
    "Barrett Dubois Nielsen Chandler Kovacs Reyes Morton Schmidt Duarte Palmer Ivanov Bennett Hoffman Castillo "
    "Olsen Whitaker Moretti Sharma"
)
COMPANY_NAMES = _words(
    "Falcon Meridian Granite Beacon Summit Orchard Harbor Crescent Phoenix Atlas Sterling Monarch Pioneer Juniper "
    "Cobalt Horizon Redwood Keystone Vanguard Aurora Magnolia Titan Zenith Cascade Ivory Compass Sapphire Northern "
    "Liberty Eclipse Condor Hudson Cedar Trident Emerald Lantern Mercury Regent Coral Apex"
)
CITIES = _words(
    "Lisbon Chicago Vienna Osaka Madrid Glasgow Boston Milan Prague Seattle Lyon Dublin Hamburg Toronto Naples "
    "Denver Warsaw Porto Sydney Geneva Houston Athens Leeds Budapest Dallas Munich Montreal Seville Portland Bristol "
    "Oslo Atlanta Turin Antwerp Cairo Detroit Zurich Helsinki Mumbai Rotterdam"
)
COUNTRIES = _words(
    "Norway Chile Japan Kenya Poland Canada Peru Greece India Sweden Brazil Egypt Spain Turkey Austria Mexico "
    "Denmark Vietnam Portugal Ghana Finland Argentina Hungary Morocco Italy Thailand Ireland Nigeria Belgium "
    "Indonesia Germany Colombia Malaysia Romania Iceland"
)
# Suffix of the name, and its trade ("Falcon Steel", "the steelmaker Falcon").
TRADES: dict[str, tuple[tuple[str, str], ...]] = {
    "company": (("Steel", "steelmaker"), ("Motors", "carmaker"), ("Foods", "food company"),
                ("Energy", "energy company"), ("Software", "software firm"), ("Chemicals", "chemical company")),
    "airline": (("Airlines", "airline"), ("Airways", "airline")),
    "drugmaker": (("Pharma", "drugmaker"), ("Medical", "medical company")),
    "spacefirm": (("Space", "space company"), ("Telecom", "telecom company")),
}  # fmt: skip

# Closed kinds: each entry is one value, its wordings separated by "|" and a verb's two forms by "~".
KINDS: dict[str, tuple[str, ...]] = {
    "day": tuple(f"on {d}" for d in _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")),
    "month": tuple(f"in {m}" for m in _words("January March April June July September October November")),
    "year": ("in 2009", "in 2012", "in 2014", "in 2015", "in 2017", "in 2019", "in 2021"),
    "percent": ("10 percent|a tenth|ten percent", "20 percent|a fifth|twenty percent", "25 percent|a quarter",
                "50 percent|half|fifty percent", "5 percent|five percent", "8 percent|eight percent",
                "3 percent|three percent", "12 percent|twelve percent", "30 percent|thirty percent"),
    "rate": ("2 percent|two percent", "3 percent|three percent", "4 percent|four percent", "6 percent|six percent",
             "1.5 percent|one and a half percent", "9 percent|nine percent"),
    "share": ("30 percent|thirty percent", "40 percent|forty percent", "45 percent|forty-five percent",
              "60 percent|sixty percent", "70 percent|seventy percent", "55 percent|fifty-five percent"),
    "money": ("$2 million|two million dollars|2 million dollars", "$5 million|five million dollars",
              "$10 million|ten million dollars", "$500,000|half a million dollars|500,000 dollars",
              "$30 million|thirty million dollars", "$20 million|twenty million dollars",
              "$7 million|seven million dollars", "$40 million|forty million dollars"),
    "cost": ("$400|four hundred dollars|400 dollars", "$600|six hundred dollars", "$900|nine hundred dollars",
             "$700|seven hundred dollars|700 dollars", "$1,000|a thousand dollars|1,000 dollars"),
    "count": ("12|twelve|a dozen", "24|two dozen|twenty-four", "15|fifteen", "30|thirty", "9|nine",
              "6|six|half a dozen", "40|forty", "50|fifty", "18|eighteen", "70|seventy"),
    "many": ("1,000|a thousand|one thousand", "500|five hundred", "2,000|two thousand", "300|three hundred",
             "4,000|four thousand", "700|seven hundred", "6,000|six thousand", "900|nine hundred"),
    "few": ("two|2", "three|3", "four|4", "five|5", "six|6", "seven|7", "eight|8", "nine|9", "ten|10"),
    "degrees": ("10 degrees|ten degrees", "15 degrees|fifteen degrees", "20 degrees|twenty degrees",
                "30 degrees|thirty degrees", "35 degrees|thirty-five degrees", "25 degrees|twenty-five degrees"),
    "updown": ("rose~rise|climbed~climb|increased~increase|went up~go up|grew~grow",
               "fell~fall|dropped~drop|decreased~decrease|went down~go down|declined~decline"),
    "raise": ("raised~raised|increased~increased|lifted~lifted|put up~put up",
              "cut~cut|lowered~lowered|reduced~reduced|brought down~brought down"),
    "metric": ("profit|earnings", "sales|turnover", "energy costs|energy bills"),
    "jobs": ("cut~cut|eliminated~eliminated|axed~axed", "created~created|added~added"),
    "good": ("oil|crude oil", "gold", "wheat", "copper", "coffee", "sugar", "rice", "cotton"),
    "part": ("engines|motors", "batteries", "computers", "uniforms", "trucks|lorries", "tyres"),
    "round": ("in the final", "in the semi-final|in the last four", "in the first round|in the opening round"),
    "hire": ("fired~fired|sacked~sacked|dismissed~dismissed", "hired~hired|appointed~appointed"),
    "streak": ("losses|defeats", "wins|victories"),
    "play": ("will miss|will not play in|will sit out", "will play in|will not miss|will take part in"),
    "ailment": ("a knee injury|an injured knee", "a broken finger|a finger fracture", "a fever", "a back problem"),
    "verdict": ("convicted~convicted|found _ guilty~found guilty",
                "acquitted~acquitted|cleared~cleared|found _ not guilty~found not guilty"),
    "crime": ("fraud", "bribery", "perjury|lying under oath", "arson", "tax evasion|evading taxes", "theft|stealing"),
    "uphold": ("upheld~upheld|confirmed~confirmed|did not overturn~not overturned",
               "overturned~overturned|threw out~thrown out|did not uphold~not upheld"),
    "dispute": ("a patent", "unpaid bills|bills not paid", "a trademark",
                "a cancelled order|an order that was cancelled"),
    "custody": ("arrested~arrested|detained~detained|took _ into custody~taken into custody",
                "released~released|freed~freed|let _ go~let go"),
    "unrest": ("a protest|a demonstration", "a football match|a football game", "a robbery", "a street fight"),
    "approve": ("approved~approved|passed~passed|did not reject~not rejected",
                "rejected~rejected|voted down~voted down|did not approve~not approved|did not pass~not passed"),
    "topic": ("immigration", "education|schooling", "pensions", "the environment", "gun control", "health care"),
    "praise": ("criticised~criticised|attacked~attacked|condemned~condemned",
               "praised~praised|applauded~applauded|commended~commended"),
    "stance": ("backing|supporting", "opposing|resisting"),
    "resign": ("resigned as|stepped down as|quit as|did not stay on as",
               "remained|stayed on as|did not resign as|did not step down as"),
    "post": ("finance minister|minister of finance", "foreign minister|minister of foreign affairs",
             "defence minister|minister of defence", "health minister|minister of health"),
    "impose": ("imposed~imposed|introduced~introduced|brought in~brought in",
               "lifted~lifted|removed~removed|scrapped~scrapped"),
    "relief": ("food", "medicine|medical supplies", "clothing|clothes", "drinking water"),
    "border": ("opened~opened|reopened~reopened", "closed~closed|shut~shut"),
    "risk": ("raises~raised|increases~increased", "lowers~lowered|reduces~reduced|cuts~cut"),
    "habit": ("coffee|drinking coffee", "red meat|eating red meat", "daily exercise|exercising every day",
              "night work|working at night", "green tea|drinking green tea"),
    "disease": ("a stroke", "heart disease", "diabetes", "cancer", "depression"),
    "trial": ("passed|succeeded in|did not fail", "failed|did not pass|did not succeed in"),
    "harm": ("killed~killed|claimed the lives of~killed", "injured~injured|hurt~hurt"),
    "disaster": ("a flood", "an earthquake|a quake", "a fire|a blaze", "a storm", "a landslide"),
    "cmp": ("more than|over|upwards of", "fewer than|under|not even"),
    "flights": ("cancelled~cancelled|called off~called off|did not operate~not operated",
                "resumed~resumed|restarted~restarted"),
    "vehicle": ("a bus", "a truck|a lorry", "a tractor", "a car|an automobile"),
    "unveil": ("unveiled~unveiled|presented~presented|introduced~introduced",
               "withdrew~withdrawn|recalled~recalled|pulled _ from sale~pulled from sale"),
    "product": ("a phone", "a laptop|a notebook computer", "a camera", "a bicycle|a bike", "a washing machine"),
    "trade": ("bought~bought|purchased~purchased|acquired~acquired", "sold~sold"),
    "art": ("a painting", "a sculpture", "a portrait", "a drawing"),
    "work": ("the best novel", "the best film|the best movie", "the best album", "the best play"),
    "charity": ("a hospital", "a school", "a museum", "a library", "an orphanage"),
    "strike": ("began~begun|started~started", "ended~ended|called off~called off"),
    "cause": ("pay|wages", "working hours", "safety", "pensions"),
    "delay": ("delayed~delayed|postponed~postponed|put back~put back",
              "brought forward~brought forward|moved up~moved up"),
    "building": ("bridge", "stadium", "airport", "tunnel", "subway line|metro line"),
    "older": ("older than", "younger than"),
}  # fmt: skip

# In order: finance, sport, courts and crime, politics, science and health, weather and disasters, the rest.
SCENES: tuple[Scene, ...] = (
    Scene("takeover", "A=company B=company m=money t=month", (
        "{A} [bought|acquired|purchased|took over] {B} for {m}",
        "{B} was [bought|acquired|purchased|taken over] by {A} for {m}"), swap="AB"),
    Scene("shares", "A=company d=updown n=percent t=day", (
        "[shares|stock] in {A} {d} by {n}", "the [share|stock] price of {A} {d} by {n}",
        "{A} saw its [share|stock] price {d~} by {n}"), source="traders"),
    Scene("results", "A=company k=metric d=updown n=percent t=year", (
        "{k} at {A} {d} by {n}", "{A} saw its {k} {d~} by {n}"), source="analysts"),
    Scene("rates", "C=country v=raise n=rate t=month", (
        "the central bank of {C} {v} [interest rates|borrowing costs] to {n}",
        "[interest rates|borrowing costs] in {C} were {v~} to {n} by the central bank")),
    Scene("jobs", "A=company v=jobs n=many P=city t=year", (
        "{A} {v} {n} [jobs|positions] in {P}", "{n} [jobs|positions] in {P} were {v~} by {A}"), source="unions"),
    Scene("price", "g=good d=updown n=percent P=city t=month", (
        "the price of {g} in {P} {d} by {n}", "{g} prices in {P} {d} by {n}"), source="traders"),
    Scene("loan", "A=company B=company m=money t=month", (
        "{A} lent {m} to {B}", "{B} borrowed {m} from {A}", "{A} gave {B} a loan of {m}",
        "{B} [received|got] a loan of {m} from {A}"), swap="AB"),
    Scene("plant", "A=company B=company P=city m=money", (
        "{A} sold its [plant|factory] in {P} to {B} for {m}",
        "{B} [bought|purchased] the {P} [plant|factory] of {A} for {m}"), swap="AB"),
    Scene("contract", "A=company B=company g=part m=money", (
        "{A} won [a contract|an order] [worth|valued at] {m} to supply {B} with {g}",
        "{B} [awarded|gave] {A} [a contract|an order] [worth|valued at] {m} for {g}"), swap="AB"),
    Scene("succession", "X=person Y=person A=company t=month", (
        "{X} [replaced|succeeded|took over from] {Y} as [head|chief executive] of {A}",
        "{Y} was [replaced|succeeded] by {X} as [head|chief executive] of {A}"), swap="XY"),
    Scene("strike", "A=company P=city v=strike c=cause t=day", (
        "[workers|employees] at {A} in {P} {v} a strike over {c}",
        "a strike over {c} was {v~} by [workers|employees] at {A} in {P}"), source="unions"),
    Scene("match", "P=city Q=city n=few r=round t=day", (
        "{P} [beat|defeated] {Q} by {n} goals {r}", "{Q} was [beaten|defeated] by {P} by {n} goals {r}",
        "{Q} lost to {P} by {n} goals {r}"), swap="PQ"),
    Scene("tennis", "X=person Y=person P=city r=round t=day", (
        "{X} [beat|defeated] {Y} {r} of the [tournament|competition] in {P}",
        "{Y} lost to {X} {r} of the [tournament|competition] in {P}",
        "{Y} was [beaten|defeated] by {X} {r} of the [tournament|competition] in {P}"), swap="XY"),
    Scene("transfer", "X=person P=city Q=city m=money t=month", (
        "{X} [moved|switched] from {P} to {Q} for a fee of {m}", "{P} sold {X} to {Q} for {m}",
        "{Q} [bought|signed] {X} from {P} for {m}"), swap="PQ"),
    Scene("coach", "P=city v=hire X=person n=few s=streak t=day", (
        "{P} {v} coach {X} after {n} [straight|consecutive] {s}",
        "after {n} [straight|consecutive] {s}, coach {X} was {v~} by {P}")),
    Scene("race", "X=person Y=person P=city n=few t=day", (
        "{X} finished {n} seconds [ahead of|before] {Y} in the race in {P}",
        "{Y} finished {n} seconds [behind|after] {X} in the race in {P}"), swap="XY"),
    Scene("absence", "X=person v=play P=city i=ailment t=day", (
        "{X}, who [has|is suffering from] {i}, {v} the [game|match] against {P}",), source="the coach"),
    Scene("verdict", "P=city v=verdict X=person c=crime t=day", (
        "a [court|jury] in {P} {v>{X}} of {c}", "{X} was {v~} by a [court|jury] in {P} of {c}")),
    Scene("sentence", "X=person n=few c=crime P=city t=month", (
        "a [court|judge] in {P} sentenced {X} to {n} years in [prison|jail] for {c}",
        "{X} was [sentenced to|given] {n} years in [prison|jail] by a [court|judge] in {P} for {c}")),
    Scene("appeal", "v=uphold A=company P=city t=month", (
        "the [appeals court|court of appeal] in {P} {v} the [ruling|verdict] against {A}",
        "the [ruling|verdict] against {A} was {v~} by the [appeals court|court of appeal] in {P}")),
    Scene("lawsuit", "A=company B=company o=dispute t=month", (
        "{A} [sued|took legal action against] {B} over {o}", "{B} was [sued|taken to court] by {A} over {o}",
        "{A} [filed|brought] a lawsuit against {B} over {o}"), swap="AB"),
    Scene("settlement", "A=company B=company m=money o=dispute", (
        "{A} paid {B} {m} to settle a [dispute|quarrel] over {o}",
        "{B} [received|got] {m} from {A} to settle a [dispute|quarrel] over {o}"), swap="AB"),
    Scene("police", "P=city v=custody n=count u=unrest t=day", (
        "[police|officers] in {P} {v>{n} [people|suspects]} after {u}",
        "{n} [people|suspects] were {v~} by [police|officers] in {P} after {u}")),
    Scene("bill", "C=country v=approve o=topic t=day", (
        "the [parliament|legislature] of {C} {v} a [bill|draft law] on {o}",
        "a [bill|draft law] on {o} was {v~} by the [parliament|legislature] of {C}")),
    Scene("election", "X=person Y=person P=city n=many t=year", (
        "{X} [defeated|beat] {Y} by {n} votes in the [election|race] for mayor of {P}",
        "{Y} lost the [election|race] for mayor of {P} to {X} by {n} votes"), swap="XY"),
    Scene("criticism", "X=person Y=person v=praise s=stance o=topic t=day", (
        "{X} {v} {Y} for {s} a [bill|law] on {o}", "{Y} was {v~} by {X} for {s} a [bill|law] on {o}"), swap="XY"),
    Scene("visit", "C=country D=country o=topic t=month", (
        "the [president|head of state] of {C} [visited|travelled to] {D} [for talks on|to discuss] {o}",
        "{D} [hosted|received] the [president|head of state] of {C} [for talks on|to discuss] {o}"), swap="CD"),
    Scene("resignation", "X=person v=resign o=post C=country t=year", (
        "{X} {v} {o} of {C} after the election", "after the election, {X} {v} {o} of {C}")),
    Scene("tariff", "C=country D=country v=impose g=good t=month", (
        "{C} {v} [tariffs|import duties] on {g} from {D}",
        "[tariffs|import duties] on {g} from {D} were {v~} by {C}"), swap="CD"),
    Scene("aid", "C=country D=country n=few r=relief t=month", (
        "{C} [sent|delivered] {n} tonnes of {r} to {D}", "{D} [received|got] {n} tonnes of {r} from {C}",
        "{n} tonnes of {r} were [sent|delivered] to {D} by {C}"), swap="CD"),
    Scene("border", "C=country D=country v=border t=day", (
        "the [government|authorities] of {C} {v} the [border|frontier] to [people|travellers] from {D}",
        "the [border|frontier] to {C} was {v~} to [people|travellers] from {D} by the [government|authorities]"),
        swap="CD"),
    Scene("poll", "X=person d=updown n=share P=city t=month", (
        "support for Mayor {X} in {P} {d} to {n}", "Mayor {X} saw support in {P} {d~} to {n}"), source="pollsters"),
    Scene("study", "P=city h=habit v=risk i=disease", (
        "[researchers|scientists] in {P} [found|discovered] that {h} {v} the [risk|danger] of {i}",
        "the [risk|danger] of {i} is {v~} by {h}, [researchers|scientists] in {P} [found|discovered]")),
    Scene("trial", "A=drugmaker v=trial n=many t=month", (
        "a [drug|medicine] [made|produced] by {A} {v} a [test|trial] [with|involving] {n} patients",)),
    Scene("satellite", "A=spacefirm B=spacefirm n=few t=month", (
        "{A} [launched {n} satellites|sent {n} satellites into orbit] for {B}",
        "{n} satellites were [launched|sent into orbit] for {B} by {A}",
        "{B} had {n} satellites [launched|sent into orbit] by {A}"), swap="AB"),
    Scene("age", "P=city Q=city n=many o=older", (
        "[researchers|scientists] [say|believe] that a skull found in {P} is {n} years {o} one from {Q}",
        "a skull found in {P} is {n} years {o} one from {Q}, [researchers|scientists] [say|believe]"), swap="PQ"),
    Scene("disaster", "w=disaster v=harm n=count P=city t=day", (
        "{w} in {P} {v} {n} people", "{n} people were {v~} in {w} in {P}",
        "{n} people in {P} were {v~} in {w}"), source="officials"),
    Scene("warmth", "P=city Q=city n=few t=day", (
        "{P} was {n} degrees [warmer|hotter] than {Q}", "{Q} was {n} degrees [colder|cooler] than {P}"),
        swap="PQ", source="forecasters"),
    Scene("temperature", "P=city d=updown n=degrees t=day", (
        "[temperatures|the temperature] in {P} {d} to {n}", "{P} saw [temperatures|the temperature] {d~} to {n}"),
        source="forecasters"),
    Scene("flight", "m=cmp n=many P=city w=disaster t=day", (
        "{m} {n} [residents|inhabitants] [fled|escaped from] {P} because of {w}",
        "because of {w}, {m} {n} [residents|inhabitants] [fled|escaped from] {P}")),
    Scene("airline", "A=airline v=flights P=city Q=city t=day", (
        "{A} {v} [its|all] flights from {P} to {Q}", "flights from {P} to {Q} were {v~} by {A}"), swap="PQ"),
    Scene("crash", "P=city Q=city v=vehicle t=day", (
        "a train from {P} to {Q} [hit|struck|collided with] {v}", "{v} was [hit|struck] by a train from {P} to {Q}"),
        swap="PQ", source="police"),
    Scene("product", "A=company v=unveil p=product m=cost t=month", (
        "{A} {v>{p} [costing|priced at] {m}}", "{p} [costing|priced at] {m} was {v~} by {A}")),
    Scene("museum", "P=city v=trade a=art X=person m=money", (
        "a [museum|gallery] in {P} {v} {a} by {X} for {m}",
        "{a} by {X} was {v~} by a [museum|gallery] in {P} for {m}")),
    Scene("prize", "X=person Y=person w=work P=city t=year", (
        "{X}, not {Y}, won the [prize|award] for {w} in {P}",
        "the [prize|award] for {w} in {P} went to {X}, not to {Y}",
        "{X} beat {Y} to the [prize|award] for {w} in {P}"), swap="XY"),
    Scene("gift", "X=person m=money c=charity P=city t=year", (
        "{X} [gave|donated] {m} to {c} in {P}", "{c} in {P} [received|got] {m} from {X}")),
    Scene("news", "X=person Y=person o=topic t=day", (
        "{X} [told|informed] {Y} about the new [law|rules] on {o}",
        "{Y} [heard|learned] about the new [law|rules] on {o} from {X}"), swap="XY"),
    Scene("opening", "b=building P=city v=delay n=few", (
        "the opening of the new {b} in {P} was {v~} by {n} months",
        "[officials|authorities] in {P} {v} the opening of the new {b} by {n} months")),
)  # fmt: skip
